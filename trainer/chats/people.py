"""People who are left out: because the model maker says so, or because they told the bot so."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from backends import UserError
from trainer.chats.message import Message, plain, word
from trainer.settings import Settings

NOBODY = "someone"
"""What stands for the name of a person who is left out."""
SHORTEST = 3
"""Characters of the shortest name that is replaced without an @ before it: `Al` is too common."""


class LeftOut:
    """Who is left out of one chat, under all names that they have there."""

    def __init__(self, settings: Settings, platform: str, messages: Iterable[Message]) -> None:
        """`messages` are gone through once for names, where anybody is left out at all.

        Raises `UserError` where the opt-out list cannot be read.
        """
        asked = {plain(name) for name in settings.leave_out}
        ids = {name for name in settings.leave_out if name}
        if settings.opt_out:
            ids |= opted_out(Path(settings.opt_out), platform)
        self._ids = ids
        names = set(asked)
        if asked or ids:
            for message in messages:
                for identifier, name in _all_names(message):
                    if identifier in ids or plain(name) in asked:
                        self._ids.add(identifier)
            for message in messages:
                names |= {plain(n) for i, n in _all_names(message) if i in self._ids}
        self._names = names - {""}
        self._pattern = _pattern(self._names)

    def __contains__(self, message: Message) -> bool:
        return message.author in self._ids or plain(message.name) in self._names

    def hidden(self, text: str) -> str:
        """A text in which nobody who is left out is named."""
        return self._pattern.sub(NOBODY, text) if self._pattern else text


def _all_names(message: Message) -> list[tuple[str, str]]:
    return [(message.author, message.name), *message.aliases]


def _pattern(names: set[str]) -> re.Pattern[str] | None:
    """Matches any of the names where it is a word of its own; with an @, short ones too."""
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    parts = [("@?" if len(name) >= SHORTEST else "@") + re.escape(name) for name in longest_first]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE) if parts else None


def opted_out(path: Path, platform: str) -> set[str]:
    """The identifiers of a platform's users in a list that `python -m bot optouts` wrote.

    Each line is a JSON object with `platform` and `user`. Raises `UserError` where one is not, for
    a list that is read in part would let people in who asked to be left out.
    """
    users: set[str] = set()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise UserError(f"The opt-out list {path} cannot be read: {exc}.") from exc
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not (word(entry, "platform") and word(entry, "user")):
            raise UserError(
                f"{path}, line {number} is no entry of an opt-out list: write the list anew with "
                "`python -m bot optouts`."
            )
        if word(entry, "platform") == platform:
            users.add(word(entry, "user"))
    return users
