"""What a running command is given, and the way of a prompt through filters, line and model."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from backends import Backend, Chunk, Prompt, UserError, Value
from bot.cooldown import Cooldowns
from bot.metrics import Metrics
from bot.models import ModelPool
from bot.notices import Tell, notices, standing
from bot.store import Store
from bot.waiting_line import Lines, whose
from plugins.closing import closing
from plugins.registry import Registry
from plugins.vocabulary import Command, Request, Settings


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all running commands share."""

    registry: Registry
    models: ModelPool
    lines: Lines
    cooldowns: Cooldowns
    metrics: Metrics
    store: Store


@dataclass(slots=True)
class RunningCommand:
    """One command while it runs (`plugins.vocabulary.Context`)."""

    request: Request
    options: Mapping[str, Value]
    settings: Settings
    commands: Sequence[Command]
    shop: Workshop
    tell: Tell
    """Shows the asker where the request stands, until text comes."""
    _streams: list[AsyncIterator[Chunk]] = field(default_factory=list[AsyncIterator[Chunk]])
    _cooling: bool = False

    @property
    def models(self) -> ModelPool:
        """The models that this bot can use."""
        return self.shop.models

    async def is_opted_out(self) -> bool:
        """Whether the asker is to be left out when models are made of chat logs."""
        return await self.shop.store.is_opted_out(self.request.platform, self.request.user)

    async def opt_out(self, *, out: bool) -> None:
        """Put the asker on the opt-out list, or take them off; on the disk when this returns."""
        asker = self.request
        if out:
            await self.shop.store.opt_out(asker.platform, asker.user, asker.user_name)
        else:
            await self.shop.store.opt_in(asker.platform, asker.user)

    def generate(self, prompt: Prompt, model: str | None = None) -> AsyncIterator[Chunk]:
        """Write with the channel's model (or another), through filters, after a place in the line.

        Raises `UserError`.
        """
        stream = self._generate(prompt, model or str(self.settings.value("model")))
        self._streams.append(stream)
        return stream

    async def aclose(self) -> None:
        """Free the work of streams that the command left unread."""
        for stream in self._streams:
            async with closing(stream):
                pass

    async def _generate(self, prompt: Prompt, model: str) -> AsyncIterator[Chunk]:
        if not model:
            raise UserError("No model is chosen here. An admin can choose one with /model use.")
        for one in self.shop.registry.filters:
            if one.before:
                prompt = one.before(prompt, self.request)
        await self.shop.models.check(model)
        # Who is turned away has not had a text, so the cooldown must not begin.
        self.shop.lines.of(model).check_room(whose(self.request))
        self._cool_down()
        asked = self.shop.metrics.clock()
        async with (
            self._turn(model) as backend,
            closing(backend.generate(prompt)) as written,
            closing(self.shop.metrics.watch(model, written, asked)) as watched,
            closing(self._filtered(watched)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    @asynccontextmanager
    async def _turn(self, model: str) -> AsyncGenerator[Backend]:
        """A place at a model after those before it, and the model in memory."""
        async with AsyncExitStack() as stack:
            ticket = stack.enter_context(self.shop.lines.of(model).join(whose(self.request)))
            async with notices(self.tell, lambda: standing(ticket, model)):
                await ticket.turn()
                backend = await stack.enter_async_context(self.shop.models.use(model))
            yield backend

    def _filtered(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        for one in self.shop.registry.filters:
            if one.after:
                chunks = one.after(chunks, self.request)
        return chunks

    def _cool_down(self) -> None:
        """Once for each command, however many texts it writes."""
        if not self._cooling:
            self.shop.cooldowns.start(self.request, float(self.settings.value("cooldown")))
            self._cooling = True
