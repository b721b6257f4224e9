"""Where an answer appears in Slack: in a channel or thread, or before the asker alone."""

from collections.abc import Awaitable, Callable

from bot.slack_app.api import Api, Place
from bot.slack_app.markup import length

PACE = 1.2
"""Seconds between two edits: chat.update is good for 50 calls a minute."""

Whisper = Callable[[str], Awaitable[None]]
"""Shows a text to the asker by way of a slash command's `response_url`, which works everywhere."""


class SlackSurface:
    """What the two surfaces share."""

    limit = 3_900
    """Of the 4,000 characters that chat.update takes; some room for what Slack may count else."""
    max_messages = 5
    """A `response_url` takes no more either."""

    def __init__(self, api: Api, place: Place, whisper: Whisper | None, pace: float = PACE) -> None:
        self.pace = pace
        self._api = api
        self._place = place
        self._whisper = whisper

    def length(self, text: str) -> int:
        """Count the text as it is sent: escaped."""
        return length(text)

    async def refuse(self, sentence: str) -> None:
        """Tell the asker alone."""
        await self._show_asker(sentence)

    async def _show_asker(self, text: str) -> None:
        if self._whisper is not None:
            await self._whisper(text)
        elif self._place.is_direct:
            await self._api.post(self._place, text)
        else:
            await self._api.whisper(self._place, text)


class ChannelSurface(SlackSurface):
    """Everybody in the channel or thread reads along while the text is written."""

    _notice: str | None = None
    """The timestamp of a notice that stands."""

    async def notice(self, text: str) -> None:
        """Send it as a message, or say it in the notice before."""
        if self._notice is None:
            self._notice = await self._api.post(self._place, text)
        else:
            await self._api.edit(self._place, self._notice, text)

    async def post(self, text: str) -> str:
        """Send a message, the first in the notice's place; its timestamp is its handle."""
        if (notice := self._notice) is None:
            return await self._api.post(self._place, text)
        self._notice = None
        await self._api.edit(self._place, notice, text)
        return notice

    async def edit(self, message: object, text: str) -> None:
        """Replace the text of a message."""
        await self._api.edit(self._place, str(message), text)

    async def attach(self, filename: str, text: str) -> None:
        """Share a text as a file."""
        await self._api.share(self._place, filename, text)

    async def refuse(self, sentence: str) -> None:
        """Take the notice away, and tell the asker alone."""
        await self.done()
        await super().refuse(sentence)

    async def done(self) -> None:
        """Take away a notice that nothing has followed."""
        if (notice := self._notice) is not None:
            self._notice = None
            await self._api.delete(self._place, notice)


class AskerSurface(SlackSurface):
    """The asker alone reads it, once it is complete: Slack edits nothing of that kind."""

    def __init__(self, api: Api, place: Place, whisper: Whisper | None) -> None:
        super().__init__(api, place, whisper, pace=0)
        self._drafts: dict[object, str] = {}

    async def notice(self, text: str) -> None:
        """Show none: what the asker alone sees can be neither edited nor taken back."""

    async def post(self, text: str) -> int:
        """Keep a message until the answer is complete; its number is its handle."""
        number = len(self._drafts)
        self._drafts[number] = text
        return number

    async def edit(self, message: object, text: str) -> None:
        """Replace what is kept."""
        self._drafts[message] = text

    async def attach(self, filename: str, text: str) -> None:
        """Share a file in the direct conversation: in a channel everybody would see it."""
        await self._api.share(await self._api.direct(self._place.user), filename, text)

    async def refuse(self, sentence: str) -> None:
        """Show what was written so far, then the sentence."""
        await self.done()
        await super().refuse(sentence)

    async def done(self) -> None:
        """Show the answer."""
        drafts, self._drafts = self._drafts, {}
        for text in drafts.values():
            await self._show_asker(text)
