"""Brings a command's text to the reader: coalesced, at the surface's pace, split, and all of it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from backends import UserError
from bot.platform import Surface
from bot.splitting import Part, cut, open_fence
from plugins.closing import closing
from plugins.vocabulary import Piece

log = logging.getLogger(__name__)

FILE = "chinwag.txt"
DELIMITER = f"\n{'=' * 20}\n"
"""Stands behind each of several texts in a file, as in gpt-2-simple's."""

_LAST_EDITS = 3
"""How often the last edit of a message is tried."""

_AHEAD = 1_000_000
"""So many characters are taken while the surface is still busy with earlier ones."""

_FAREWELL = 5.0
"""Seconds to show what was written when the call is cancelled."""


@dataclass
class _Message:
    """One message: what it is to say, and what it says already."""

    part: Part
    handle: object = None
    shown: str = ""
    """Empty until it is posted."""

    @property
    def wanted(self) -> str:
        """What it is to say; white space alone cannot be a message."""
        return self.part.shown if self.part.body.strip() else ""


@dataclass
class _Text:
    """One text (a `Piece.part`) and the messages it fills; the last of them still grows."""

    messages: list[_Message] = field(default_factory=list[_Message])
    whole: str = ""
    rest: str = ""
    head: str = ""

    def add(self, text: str, surface: Surface) -> None:
        """Take more text, and begin messages as it needs them."""
        self.whole += text
        self.rest += text
        while self.rest:
            part, left, head = cut(self.rest, surface.limit, surface.length, self.head)
            self._last.part = part
            if not left:
                break
            self.rest, self.head = left, head
            self.messages.append(_Message(Part("")))

    @property
    def _last(self) -> _Message:
        if not self.messages:
            self.messages.append(_Message(Part("")))
        return self.messages[-1]


class ReplyWriter:
    """Writes one answer on one surface.

    Text is taken as fast as it comes and shown by a task of its own: the first of it at once, more
    of it at the surface's pace. Where the surface takes nothing at all, no more is taken either
    after a while. After `surface.max_messages` messages no more are begun, and the whole answer
    follows as a file.
    """

    def __init__(self, surface: Surface, footer: str = "") -> None:
        self._surface = surface
        self._footer = footer
        self._texts: dict[int, _Text] = {}
        self._news = asyncio.Event()
        self._ended = False
        self._notice = ""
        self._taken = 0
        self._offered = 0
        """Of the characters taken, how many the surface has had its chance to show."""
        self._offer = asyncio.Event()

    def notice(self, text: str) -> None:
        """Show a passing line soon, unless text comes first, which takes its place."""
        self._notice = text
        self._news.set()

    async def write(self, pieces: AsyncIterator[Piece]) -> None:
        """Show all pieces; close their generator whatever happens.

        What came before an exception stays visible, a cancellation included. Raises what the
        generator raises, what the surface raises when a message cannot be posted, and `UserError`
        where there is nothing to show.
        """
        shower = asyncio.create_task(self._show_as_it_comes())
        shower.add_done_callback(lambda _: self._offer.set())
        try:
            async with closing(pieces) as stream:
                async for piece in stream:
                    self._take(piece)
                    await self._until_offered(shower)
                    if shower.done():
                        break
        except BaseException:
            await self._end(shower, patience=_FAREWELL)
            raise
        self._add_footer()
        await self._end(shower)
        if not any(text.whole.strip() for text in self._texts.values()):
            raise UserError("Nothing came of it: the text is empty. Ask again, or say more.")

    def _take(self, piece: Piece) -> None:
        if piece.text:
            self._taken += len(piece.text)
            self._texts.setdefault(piece.part, _Text()).add(piece.text, self._surface)
            self._news.set()

    async def _until_offered(self, shower: asyncio.Task[None]) -> None:
        """Wait while too much of what was taken is more than the surface has come to."""
        while self._taken - self._offered > _AHEAD and not shower.done():
            self._offer.clear()
            await self._offer.wait()

    async def _end(self, shower: asyncio.Task[None], patience: float | None = None) -> None:
        self._ended = True
        self._news.set()
        if patience is None:
            await shower
            return
        # Another exception is on its way to the reader: this one may only be logged.
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(shower, return_exceptions=True), patience)

    def _add_footer(self) -> None:
        visible = [text for text in self._texts.values() if text.whole.strip()]
        if not self._footer or not visible:
            return
        last = visible[-1]
        message = last.messages[-1]
        in_fence = open_fence(message.part.shown)
        separate = self._surface.length(f"{message.part.shown}\n{self._footer}")
        if in_fence or separate > self._surface.limit:
            last.messages.append(_Message(Part(self._footer)))
            last.whole += f"\n{self._footer}"
        else:
            last.add(f"\n{self._footer}", self._surface)

    async def _show_as_it_comes(self) -> None:
        clock = asyncio.get_running_loop()
        due = clock.time()
        while not self._ended:
            await self._news.wait()
            await self._wait_until_due(due)
            self._news.clear()
            taken = self._taken
            if not self._ended and await self._show():
                due = clock.time() + self._surface.pace
            self._offered = taken
            self._offer.set()
        await self._show(last=True)
        if self._overflows:
            await self._surface.attach(FILE, self._file())

    async def _wait_until_due(self, due: float) -> None:
        """Wait for the pace, but not when the answer is complete."""
        clock = asyncio.get_running_loop()
        while not self._ended and clock.time() < due:
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), due - clock.time())

    async def _show(self, *, last: bool = False) -> bool:
        """Bring every message up to date; true where any changed."""
        changed = await self._show_notice()
        for message in self._messages[: self._surface.max_messages]:
            # The text goes on growing while the surface is awaited.
            wanted = message.wanted
            if not wanted or wanted == message.shown:
                continue
            changed = True
            if not message.shown:
                message.handle = await self._surface.post(wanted)
                message.shown = wanted
            elif await self._edit(message, wanted, attempts=_LAST_EDITS if last else 1):
                message.shown = wanted
        return changed

    async def _show_notice(self) -> bool:
        """Show the newest notice, where there is one and no text; it may fail, the answer not."""
        notice, self._notice = self._notice, ""
        if not notice or self._ended or self._messages:
            return False
        try:
            await self._surface.notice(notice)
        except Exception as error:
            log.warning("a notice could not be shown: %r", error)
        return True

    async def _edit(self, message: _Message, wanted: str, attempts: int) -> bool:
        """Edit, and live with a failure: the next edit brings the text, or the log tells."""
        for attempt in range(1, attempts + 1):
            try:
                await self._surface.edit(message.handle, wanted)
            except Exception as error:
                log.warning("an edit failed (%d of %d): %r", attempt, attempts, error)
                await asyncio.sleep(self._surface.pace)
            else:
                return True
        return False

    @property
    def _messages(self) -> list[_Message]:
        return [
            message for text in self._texts.values() for message in text.messages if message.wanted
        ]

    @property
    def _overflows(self) -> bool:
        return len(self._messages) > self._surface.max_messages

    def _file(self) -> str:
        texts = [text.whole for text in self._texts.values()]
        return texts[0] if len(texts) == 1 else "".join(text + DELIMITER for text in texts)
