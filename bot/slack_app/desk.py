"""What happens to an event: acknowledged at once, understood, and handed to the bot's core."""

import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.context.respond.async_respond import AsyncRespond

from backends import UserError
from bot.platform import Call, Dispatcher
from bot.slack_app.api import Api
from bot.slack_app.incoming import Incoming, from_command, from_event
from bot.slack_app.markup import to_slack
from bot.slack_app.people import People
from bot.slack_app.surfaces import AskerSurface, ChannelSurface, Whisper
from bot.typed import Typed, parse, understand

log = logging.getLogger(__name__)

Start = Callable[[Coroutine[Any, Any, None]], None]
"""Runs work of its own, so that Bolt has its acknowledgement at once."""

_VISIBLE = {"response_type": "in_channel"}
"""Lets everybody see the command that somebody typed, as the answer is for everybody."""


class Desk:
    """Answers what `listen` lets it hear."""

    def __init__(
        self, api: Api, dispatcher: Dispatcher, bot_user: str, start: Start, pace: float
    ) -> None:
        self._api = api
        self._dispatcher = dispatcher
        self._bot_user = bot_user
        self._start = start
        self._pace = pace
        self._people = People(api)

    def listen(self, app: AsyncApp) -> None:
        """Take an app's events. Whatever its slash command is called, it is this bot's."""
        bolt: Any = app  # a listener's arguments are found by their names, so Bolt types none
        bolt.command(re.compile(""))(self.on_command)
        bolt.event("app_mention")(self.on_event)
        bolt.event("message")(self.on_event)

    async def on_command(self, ack: AsyncAck, body: dict[str, str], respond: AsyncRespond) -> None:
        """Acknowledge and answer a slash command."""
        incoming = from_command(body)
        asked = self._read(incoming.text or "help", parse)
        await ack("" if self._is_private(asked) else dict(_VISIBLE))
        self._start(self._answer(incoming, asked, _whisper(respond)))

    async def on_event(self, event: dict[str, object], body: dict[str, object]) -> None:
        """Answer what was said to the bot; Bolt has acknowledged it."""
        incoming = from_event(event, str(body["team_id"]), self._bot_user)
        if incoming is not None:
            asked = self._read(incoming.text, understand)
            self._start(self._answer(incoming, asked, None))

    def _read(self, text: str, read: Callable[..., Typed]) -> Typed | UserError:
        try:
            return read(text, self._dispatcher.commands)
        except UserError as error:
            return error

    def _is_private(self, asked: Typed | UserError) -> bool:
        if isinstance(asked, UserError):
            return True
        commands = {command.name: command for command in self._dispatcher.commands}
        return commands[asked.command].private if asked.command in commands else True

    async def _answer(
        self, incoming: Incoming, asked: Typed | UserError, whisper: Whisper | None
    ) -> None:
        surface = self._surface(incoming, self._is_private(asked), whisper)
        try:
            if isinstance(asked, UserError):
                await surface.refuse(str(asked))
                return
            request = incoming.request(await self._people.get(incoming.place.user))
            call = Call(request=request, command=asked.command, options=asked.options)
            await self._dispatcher.dispatch(call, surface)
        except Exception:
            log.exception("an answer could not be shown in Slack")

    def _surface(
        self, incoming: Incoming, private: bool, whisper: Whisper | None
    ) -> AskerSurface | ChannelSurface:
        if private:
            return AskerSurface(self._api, incoming.answer_place, whisper)
        return ChannelSurface(self._api, incoming.answer_place, whisper, self._pace)


def _whisper(respond: AsyncRespond) -> Whisper:
    async def whisper(text: str) -> None:
        answer = await respond(text=to_slack(text), response_type="ephemeral")
        if answer.status_code != 200:
            raise ConnectionError(f"Slack took no answer to a command: {answer.status_code}")

    return whisper
