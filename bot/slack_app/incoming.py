"""From what Slack delivers to who asked, where, and what."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.slack_app.api import Place
from bot.slack_app.markup import after_mention, from_slack
from bot.slack_app.people import Person
from plugins.vocabulary import Request

PLATFORM = "slack"

_UNNAMED = {"directmessage", "privategroup"}
"""What Slack says instead of a channel's name where it does not tell."""
_WRITTEN = {None, "file_share", "thread_broadcast"}
"""Subtypes of messages that a person wrote just now; edits, deletions and joins are others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A slash command, a mention or a direct message."""

    id: str
    """The same for every delivery of the same thing."""
    team: str
    place: Place
    answer_thread: str | None
    """The thread in which the answer belongs, which may begin with it."""
    text: str
    """As the user typed it."""
    channel_name: str = ""

    def request(self, person: Person) -> Request:
        """Describe it in the bot's words. Two who talk directly both rule over their settings."""
        direct = self.place.is_direct
        return Request(
            id=self.id,
            platform=PLATFORM,
            guild=None if direct else self.team,
            channel=self.place.channel,
            user=self.place.user,
            user_name=person.name,
            channel_name=self.channel_name,
            thread=self.place.thread_ts,
            is_admin=direct or person.is_admin,
        )

    @property
    def answer_place(self) -> Place:
        """Where the answer appears."""
        return Place(self.place.channel, self.place.user, self.answer_thread)


def from_command(form: Mapping[str, str]) -> Incoming:
    """Read a slash command, which Slack offers outside of threads only."""
    name = form.get("channel_name", "")
    return Incoming(
        id=form["trigger_id"],
        team=form["team_id"],
        place=Place(form["channel_id"], form["user_id"]),
        answer_thread=None,
        text=from_slack(form.get("text", "")).strip(),
        channel_name="" if name in _UNNAMED else name,
    )


def from_event(event: Mapping[str, object], team: str, bot_user: str) -> Incoming | None:
    """Read a mention or a direct message; `None` for what was not said to the bot by a person.

    A mention may also come as a message, and either again: channel and time name it.
    """
    direct = event.get("channel_type") == "im"
    to_bot = direct or event.get("type") == "app_mention"
    by_person = event.get("user") and not event.get("bot_id")
    if not to_bot or not by_person or event.get("subtype") not in _WRITTEN:
        return None
    channel, ts = str(event["channel"]), str(event["ts"])
    thread = str(event["thread_ts"]) if event.get("thread_ts") else None
    return Incoming(
        id=f"{channel}:{ts}",
        team=team,
        place=Place(channel, str(event["user"]), thread),
        answer_thread=thread or (None if direct else ts),
        text=from_slack(after_mention(str(event.get("text", "")), bot_user)),
    )
