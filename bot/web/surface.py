"""Where an answer appears on the page: the newest state of its messages, sent as it changes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import cast

Event = dict[str, object]
"""One line of the stream, told apart by `type`:

- `notice`: `text` stands for the answer until its first message or sentence appears;
- `post`: message `message` (counted from 0) appears with `text`;
- `append`: `text` is added to the end of `message`;
- `edit`: `message` now reads `text`;
- `attach`: a file `name` with `text` appears;
- `refuse`: the sentence `text` is shown to the asker;
- `done`: the last line; `stopped` says whether the call was called off.
"""


class WebSurface:
    """Keeps the latest text of each message, so that a slow reader costs no memory."""

    limit = 20_000
    pace = 0.05
    max_messages = 20

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._sent: list[str] = []
        self._notes: list[Event] = []
        self._notice = ""
        self._changed = asyncio.Event()
        self._ended = False

    def length(self, text: str) -> int:
        """Count characters as Python does; the page has no rule of its own."""
        return len(text)

    async def notice(self, text: str) -> None:
        """Show a line in the place of the answer; the page takes it away when that begins."""
        self._notice = text
        self._changed.set()

    async def post(self, text: str) -> object:
        """Show a new message; the handle is its number."""
        self._texts.append(text)
        self._changed.set()
        return len(self._texts) - 1

    async def edit(self, message: object, text: str) -> None:
        """Replace a message's text."""
        self._texts[cast(int, message)] = text
        self._changed.set()

    async def attach(self, filename: str, text: str) -> None:
        """Offer a text as a download."""
        self._note({"type": "attach", "name": filename, "text": text})

    async def refuse(self, sentence: str) -> None:
        """Show an error sentence."""
        self._note({"type": "refuse", "text": sentence})

    async def done(self) -> None:
        """End the stream of events."""
        self.end()

    def end(self) -> None:
        """Let `events` stop once all is told."""
        self._ended = True
        self._changed.set()

    def _note(self, event: Event) -> None:
        self._notes.append(event)
        self._changed.set()

    async def events(self) -> AsyncIterator[Event]:
        """Yield what changed since the last event was taken, until the end."""
        ended = False
        while not ended:
            await self._changed.wait()
            self._changed.clear()
            ended = self._ended  # looked at before the news are told: they may grow meanwhile
            for event in self._news():
                yield event

    def _news(self) -> Iterator[Event]:
        notice, self._notice = self._notice, ""
        if notice and not self._texts and not self._notes:
            yield {"type": "notice", "text": notice}
        for number, text in enumerate(self._texts):
            if number == len(self._sent):
                yield {"type": "post", "message": number, "text": text}
                self._sent.append(text)
            elif text != (before := self._sent[number]):
                grown = text.startswith(before)
                news = text[len(before) :] if grown else text
                yield {"type": "append" if grown else "edit", "message": number, "text": news}
                self._sent[number] = text
        while self._notes:
            yield self._notes.pop(0)
