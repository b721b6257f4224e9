"""The one way of every call, on every platform, from event to answer.

It is also the one place where exceptions become sentences.
"""

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import aclosing

from backends import UserError
from bot.completion import propose
from bot.config import LimitsConfig
from bot.context import RunningCommand, Workshop
from bot.options import given_settings, parse_options
from bot.platform import Call, Surface
from bot.settings import SettingsBook
from bot.store import Store
from bot.writer import ReplyWriter
from plugins.builtin.about import find_command
from plugins.vocabulary import Command, Request

log = logging.getLogger(__name__)

_LAST_WORDS = 3.0
"""Seconds that stopped calls get to tell their readers."""

_PATIENCE = 30.0
"""Seconds that a surface gets to show a refusal, and to clean up."""


class Router:
    """Runs calls (`bot.platform.Dispatcher`)."""

    def __init__(
        self, shop: Workshop, book: SettingsBook, store: Store, limits: LimitsConfig
    ) -> None:
        self._shop = shop
        self._book = book
        self._store = store
        self._limits = limits
        self._commands = shop.registry.commands
        self._running: set[asyncio.Timeout] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closing = False

    @property
    def commands(self) -> Sequence[Command]:
        """All commands, to be offered to users."""
        return self._commands

    @property
    def busy(self) -> bool:
        """Whether calls are running."""
        return bool(self._running)

    @property
    def draining(self) -> bool:
        """Whether the bot is stopping and takes no new calls."""
        return self._closing

    async def dispatch(self, call: Call, surface: Surface) -> None:
        """Run a call to its end. Every exception but cancellation becomes a sentence."""
        deadline = asyncio.timeout(self._limits.deadline)
        self._running.add(deadline)
        self._quiet.clear()
        try:
            async with deadline:
                await self._answer(call, surface)
        except UserError as problem:
            await self._refuse(surface, str(problem))
        except Exception as error:
            await self._refuse(surface, self._sentence(error, deadline))
        finally:
            await self._done(surface)
            self._running.discard(deadline)
            if not self._running:
                self._quiet.set()

    async def complete(
        self, request: Request, command: str, option: str, typed: str, given: Mapping[str, object]
    ) -> list[str]:
        """At most 25 proposals for an option while a user types; none where something is wrong."""
        try:
            found = find_command(self._commands, command)
            wanted = next(one for one in found.options if one.name == option)
            settings = await self._book.at(request)
            return await propose(wanted, typed, given, settings, self._shop.models, self._commands)
        except (UserError, StopIteration):
            return []
        except Exception:
            log.exception("no proposals for %s of %s", option, command)
            return []

    async def drain(self, grace: float) -> None:
        """Take no new calls, wait `grace` seconds for those that run, then stop them and say so."""
        self._closing = True
        if not await self._is_quiet(grace):
            for deadline in list(self._running):
                deadline.reschedule(asyncio.get_running_loop().time())
            await self._is_quiet(_LAST_WORDS)

    async def _is_quiet(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._quiet.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _answer(self, call: Call, surface: Surface) -> None:
        request = call.request
        if self._closing:
            raise UserError("The bot is stopping. Ask again in a minute.")
        if not await self._store.claim(f"{request.platform}:{request.id}"):
            log.info("event %s:%s came again", request.platform, request.id)
            return
        log.info("%s in %s:%s", call.command, request.platform, request.channel)
        command = find_command(self._commands, call.command)
        if command.admin and not request.is_admin:
            raise UserError(f"/{command.name} is for admins. Ask one of them.")
        options = parse_options(command, call.options)
        settings = await self._book.at(request, given_settings(command, options))
        footer = str(settings.value("footer")) if command.takes_settings else ""
        writer = ReplyWriter(surface, footer)
        context = RunningCommand(
            request, options, settings, self._commands, self._shop, writer.notice
        )
        async with aclosing(context):
            await writer.write(command.run(context))

    def _sentence(self, error: Exception, deadline: asyncio.Timeout) -> str:
        if deadline.expired() and isinstance(error, TimeoutError):
            if self._closing:
                return "The bot is stopping and could not finish this. Ask again in a minute."
            return (
                f"This took longer than {self._limits.deadline:g} s, waiting included, and was "
                "stopped. Ask for fewer or shorter texts, or when the bot is less busy."
            )
        reference = secrets.token_hex(4)
        log.error("reference %s", reference, exc_info=error)
        return (
            f"Something went wrong here (reference {reference}). Try again; if it stays, tell the "
            "operator the reference."
        )

    async def _refuse(self, surface: Surface, sentence: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await surface.refuse(sentence)
        except Exception:
            log.exception("a refusal could not be shown")

    async def _done(self, surface: Surface) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await surface.done()
        except Exception:
            log.exception("an answer could not be ended")
