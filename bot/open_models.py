"""The models in memory: opened once for all, replaced side by side, closed when nobody needs them.

An opening belongs to nobody's request: who asked may leave, and the next one finds it done.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from backends import Backend, BackendFactory, Load, ModelSpec, UserError
from bot.memory import Memory, memory_of, size_on_disk
from bot.model_slot import Opened, Slot, Version

log = logging.getLogger(__name__)


@dataclass
class OpenModels:
    """Lends open models by name, within `memory`.

    A model that nobody used for `unload_after` seconds is closed; 0 keeps it.
    """

    factories: Mapping[str, BackendFactory]
    memory: Memory
    unload_after: float = 0.0
    _slots: dict[str, Slot] = field(default_factory=dict[str, Slot])
    _tasks: "set[asyncio.Task[Any]]" = field(default_factory=set["asyncio.Task[Any]"])

    @asynccontextmanager
    async def use(self, spec: ModelSpec, version: Version | None) -> AsyncGenerator[Backend]:
        """Lend a model; while it is lent it is not closed.

        A version that was replaced goes on serving until the new one is open, and for good where
        that cannot be opened. Raises what the opening raises where no version is open.
        """
        opened = await self._take(spec, version)
        opened.users += 1
        opened.keep()
        try:
            yield opened.backend
        finally:
            opened.users -= 1
            self._settle(opened)

    def remove(self, name: str) -> None:
        """Forget a name; its model is closed when its last request ends."""
        if slot := self._slots.pop(name, None):
            slot.removed = True
            if slot.current is not None:
                self._retire(slot.current)

    def refused(self, name: str) -> str | None:
        """Why the newest version of an open model is not the one that serves, if so."""
        slot = self._slots.get(name)
        return slot.refusal.sentence if slot and slot.refusal else None

    def serving(self, name: str) -> Backend | None:
        """The open model that new requests get, if there is one."""
        slot = self._slots.get(name)
        return slot.current.backend if slot and slot.current else None

    def loads(self) -> Mapping[str, Load]:
        """How busy each open model is; of two versions side by side the newer one."""
        return {name: slot.current.load() for name, slot in self._slots.items() if slot.current}

    async def aclose(self) -> None:
        """Close every model; what they still write ends as cancelled."""
        for slot in self._slots.values():
            if slot.opening is not None:
                slot.opening.cancel()
        for opened in self._all():
            self._retire(opened)
            self._close(opened)
        self._slots.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _take(self, spec: ModelSpec, version: Version | None) -> Opened:
        slot = self._slots.setdefault(spec.name, Slot())
        if slot.opening is None and slot.is_due(version):
            slot.opening = self._spawn(self._open(slot, spec, version))
        if slot.current is not None:
            return slot.current
        assert slot.opening is not None  # noqa: S101 - due wherever there is no model
        return await self._opened(slot, slot.opening)

    async def _opened(self, slot: Slot, opening: "asyncio.Task[Opened]") -> Opened:
        """Wait for an opening without taking it along when the request is cancelled."""
        slot.waiters += 1
        try:
            await asyncio.wait({opening})
        except asyncio.CancelledError:
            slot.waiters -= 1
            self._forsake(slot)
            raise
        slot.waiters -= 1
        if opening.cancelled():
            raise UserError("The bot is stopping. Ask again in a minute.")
        return opening.result()

    def _forsake(self, slot: Slot) -> None:
        """A request no longer waits; a model that nobody waits for takes no memory from others."""
        if slot.waiters:
            return
        if slot.current is not None:
            self._settle(slot.current)
        elif slot.opening is not None and slot.queued:
            slot.opening.cancel()
            slot.opening = None

    async def _open(self, slot: Slot, spec: ModelSpec, version: Version | None) -> Opened:
        """Open a version, beside the one before if there is one, and let it take over."""
        try:
            opened = await self._open_in_memory(slot, spec, version)
        except Exception as problem:
            if slot.current is not None:
                slot.refuse(spec.name, version, problem)
            elif isinstance(problem, UserError):
                log.warning("model %s cannot be opened: %s", spec.name, problem)
            raise
        finally:
            if slot.opening is asyncio.current_task():
                slot.opening = None
        before, slot.current, slot.refusal = slot.current, opened, None
        if before is not None:
            self._retire(before)
        opened.retired = slot.removed
        self._settle(opened)
        return opened

    async def _open_in_memory(self, slot: Slot, spec: ModelSpec, version: Version | None) -> Opened:
        """Open where there is room. What a model really needs is only known once it is open."""
        while True:
            on_disk = await asyncio.to_thread(size_on_disk, spec.path)
            need = max(on_disk, slot.learnt.get(version, 0))
            await self._wait_for_room(slot, spec.name, need)
            opened = await self._open_counted(slot, spec, version, need)
            slot.learnt = {version: opened.memory}
            if self.memory.holds(opened.memory) and await self._make_room(0, patient=False):
                return opened
            log.info("model %s is larger than its files: it waits for memory", spec.name)
            await self._aclose(opened)

    async def _wait_for_room(self, slot: Slot, name: str, need: int) -> None:
        self.memory.check(name, need)
        slot.queued = True
        try:
            await self._make_room(need, patient=True)
        finally:
            slot.queued = False

    async def _open_counted(
        self, slot: Slot, spec: ModelSpec, version: Version | None, need: int
    ) -> Opened:
        claim = object()
        self.memory.hold(claim, need)
        try:
            log.info("opening model %s (%s)", spec.name, spec.backend)
            backend = await self._factory(spec)(spec)
        finally:
            self.memory.release(claim)
        opened = Opened(slot, version, backend, memory_of(backend, need))
        self.memory.hold(opened, opened.memory)
        return opened

    def _factory(self, spec: ModelSpec) -> BackendFactory:
        if spec.backend not in self.factories:
            known = ", ".join(sorted(self.factories))
            raise UserError(
                f"The model {spec.name} wants the backend {spec.backend}. There are: {known}."
            )
        return self.factories[spec.backend]

    async def _make_room(self, need: int, *, patient: bool) -> bool:
        """Close idle models, least recently used first, until so many bytes are left.

        Where that is not enough: wait for models in use if `patient`, else return False.
        """
        while self.memory.lacks(need):
            leaving = sum(opened.memory for opened in self._all() if opened.closing)
            if self.memory.lacks(need - leaving):
                if idle := self._idle():
                    self._retire(min(idle, key=lambda opened: opened.last_used))
                    continue
                if not patient:
                    return False
            await self.memory.change()
        return True

    def _all(self) -> list[Opened]:
        return [one for one in self.memory if isinstance(one, Opened)]

    def _idle(self) -> list[Opened]:
        """Models that take memory and that nobody uses."""
        current = [slot.current for slot in self._slots.values()]
        return [one for one in current if one and one.memory and not one.wanted]

    def _retire(self, opened: Opened) -> None:
        """Lend a model no more, and close it when nobody uses it."""
        if opened.slot.current is opened:
            opened.slot.current = None
        opened.retired = True
        self._settle(opened)

    def _settle(self, opened: Opened) -> None:
        """Do what is due when a model may have become idle."""
        if opened.wanted:
            return
        loop = asyncio.get_running_loop()
        opened.last_used = loop.time()
        if opened.retired:
            self._close(opened)
        elif self.unload_after and opened.slot.refusal is None:
            opened.keep()
            opened.unload = loop.call_later(self.unload_after, self._retire, opened)
        self.memory.tell()

    def _close(self, opened: Opened) -> None:
        if not opened.closing:
            opened.closing = True
            self._spawn(self._aclose(opened))

    async def _aclose(self, opened: Opened) -> None:
        log.info("closing model %s", opened.backend.name)
        opened.closing = True
        opened.keep()
        try:
            await opened.backend.aclose()
        except Exception:
            log.exception("model %s did not close well", opened.backend.name)
        finally:
            self.memory.release(opened)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._spawned_ended)
        return task

    def _spawned_ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to those who waited, if any
