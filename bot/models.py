"""The models that the bot can use: opened at first use, swapped when their files change."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from backends import Backend, BackendFactory, ModelInfo, ModelSpec, UserError, Value
from backends.model_directory import CARD, list_models, read_card
from bot.config import ModelConfig

log = logging.getLogger(__name__)

_Version = tuple[int, int, int]


@dataclass(eq=False)
class _Opened:
    """An open model, and how many requests use it."""

    version: _Version | None
    backend: Backend
    users: int = 0
    retired: bool = False


@dataclass
class _Slot:
    """The place of one name: at most one opening at a time, one model for new requests."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    current: _Opened | None = None


class ModelPool:
    """Finds models by name and lends them out (`plugins.vocabulary.Models`)."""

    def __init__(
        self,
        folder: Path,
        configured: Mapping[str, ModelConfig],
        factories: Mapping[str, BackendFactory],
    ) -> None:
        self._folder = folder
        self._configured = configured
        self._factories = factories
        self._slots: dict[str, _Slot] = {}

    async def names(self) -> Sequence[str]:
        """Names of all models, listed in the config or found in the models folder, sorted."""
        found = await asyncio.to_thread(list_models, self._folder)
        return sorted({*self._configured, *found})

    async def check(self, name: str) -> None:
        """Raise `UserError` where there is no model of this name."""
        names = await self.names()
        if name in names:
            return
        close = get_close_matches(name, names, n=1)
        listed = f"There are: {', '.join(names)}." if names else "There is none yet."
        meant = f"Did you mean {close[0]}?" if close else listed
        raise UserError(f"There is no model {name}. {meant}")

    async def info(self, name: str) -> ModelInfo:
        """What is known of a model. Raises `UserError` for an unknown or broken one."""
        async with self.use(name) as backend:
            return backend.info()

    async def defaults(self, name: str) -> Mapping[str, Value]:
        """The settings that the model's maker proposes; a card is read without opening the model.

        Raises `UserError` likewise.
        """
        await self.check(name)
        spec = self._spec(name)
        if spec.path is not None and await asyncio.to_thread((spec.path / CARD).is_file):
            return (await asyncio.to_thread(read_card, spec.path)).defaults
        return (await self.info(name)).defaults

    @asynccontextmanager
    async def use(self, name: str) -> AsyncGenerator[Backend]:
        """Lend a model, opened if need be; while it is lent it is not closed.

        Raises `UserError` for an unknown or broken one.
        """
        opened = await self._take(name)
        opened.users += 1
        try:
            yield opened.backend
        finally:
            opened.users -= 1
            await self._close_if_done(opened)

    async def aclose(self) -> None:
        """Close every model; what they still write ends as cancelled."""
        for slot in self._slots.values():
            if slot.current is not None:
                await slot.current.backend.aclose()
        self._slots.clear()

    async def _take(self, name: str) -> _Opened:
        try:
            await self.check(name)
        except UserError:
            await self._retire(name)
            raise
        slot = self._slots.setdefault(name, _Slot())
        async with slot.lock:
            version = await asyncio.to_thread(_version, self._spec(name).path)
            if slot.current is None or slot.current.version != version:
                opened = _Opened(version, await self._open(name))
                # Where the model was removed meanwhile, only this request still uses it.
                opened.retired = self._slots.get(name) is not slot
                await self._replace(slot, opened)
                return opened
            return slot.current

    async def _open(self, name: str) -> Backend:
        spec = self._spec(name)
        if spec.backend not in self._factories:
            known = ", ".join(sorted(self._factories))
            raise UserError(
                f"The model {name} wants the backend {spec.backend}. There are: {known}."
            )
        log.info("opening model %s (%s)", name, spec.backend)
        return await self._factories[spec.backend](spec)

    def _spec(self, name: str) -> ModelSpec:
        if name in self._configured:
            return self._configured[name].spec(name, self._folder)
        return ModelSpec(name=name, backend="onnx", path=self._folder / name)

    async def _retire(self, name: str) -> None:
        """A model that was removed is closed when its last request ends."""
        if slot := self._slots.pop(name, None):
            await self._replace(slot, None)

    async def _replace(self, slot: _Slot, new: _Opened | None) -> None:
        old, slot.current = slot.current, new
        if old is not None:
            old.retired = True
            await self._close_if_done(old)

    async def _close_if_done(self, opened: _Opened) -> None:
        if opened.retired and not opened.users:
            log.info("closing model %s", opened.backend.name)
            await opened.backend.aclose()


def _version(path: Path | None) -> _Version | None:
    """What changes whenever a model directory is replaced."""
    try:
        card = (path / CARD).stat() if path else None
    except OSError:
        return None
    return (card.st_mtime_ns, card.st_ino, card.st_size) if card else None
