"""The models that the bot can use: found by name, opened at first use, swapped when they change."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from backends import Backend, BackendFactory, Load, ModelInfo, ModelSpec, UserError, Value
from backends.model_directory import CARD, list_models, proposed_settings
from bot.config import ModelConfig
from bot.memory import Memory
from bot.model_slot import Version
from bot.open_models import OpenModels


class ModelPool:
    """Finds models by name and lends them out (`plugins.vocabulary.Models`)."""

    def __init__(
        self,
        folder: Path,
        configured: Mapping[str, ModelConfig],
        factories: Mapping[str, BackendFactory],
        memory: int = 0,
        unload_after: float = 0.0,
    ) -> None:
        """`memory` is the most bytes that open models hold together; 0 is no limit.

        A model that nobody used for `unload_after` seconds is closed; 0 keeps it.
        """
        self._folder = folder
        self._configured = configured
        self._open = OpenModels(factories, Memory(memory), unload_after)

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
            info = backend.info()
        if (problem := self._open.refused(name)) is None:
            return info
        return replace(info, details={**info.details, "Newer version": f"not in use. {problem}"})

    async def defaults(self, name: str) -> Mapping[str, Value]:
        """The settings that the maker of the model that serves now proposes.

        No model is opened for them: of one that is not open, what its files say is read. Raises
        `UserError` likewise.
        """
        await self.check(name)
        if (backend := self._open.serving(name)) is not None:
            return backend.info().defaults
        path = self._spec(name).path
        return await asyncio.to_thread(proposed_settings, path) if path else {}

    @asynccontextmanager
    async def use(self, name: str) -> AsyncGenerator[Backend]:
        """Lend a model, opened if need be; while it is lent it is not closed.

        Where memory is short, idle models are closed for it, and if need be it waits for busy ones.
        Raises `UserError` for an unknown or broken one.
        """
        try:
            await self.check(name)
        except UserError:
            self._open.remove(name)
            raise
        spec = self._spec(name)
        version = await asyncio.to_thread(_version, spec.path)
        async with self._open.use(spec, version) as backend:
            yield backend

    def loads(self) -> Mapping[str, Load]:
        """How busy each open model is."""
        return self._open.loads()

    async def aclose(self) -> None:
        """Close every model; what they still write ends as cancelled."""
        await self._open.aclose()

    def _spec(self, name: str) -> ModelSpec:
        if name in self._configured:
            return self._configured[name].spec(name, self._folder)
        return ModelSpec(name=name, backend="onnx", path=self._folder / name)


def _version(path: Path | None) -> Version | None:
    """What changes whenever a model directory is replaced."""
    try:
        card = (path / CARD).stat() if path else None
    except OSError:
        return None
    return (card.st_mtime_ns, card.st_ino, card.st_size) if card else None
