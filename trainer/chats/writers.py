"""Who wrote the messages of some chats: told where `--person` names none of them."""

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches

from trainer.chats.message import Message, plain

MOST = 5
"""Writers who are named where no name is close."""
CLOSE = 3
"""Close names that are proposed."""


class Writers:
    """The authors of some messages, each under the first name that is shown for them."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages: Counter[str] = Counter()
        shown_first: dict[str, str] = {}
        self._known: dict[str, str] = {}
        """The name that is shown of whoever has a name or an identifier."""
        for message in messages:
            shown = shown_first.setdefault(message.author, message.name or message.author)
            self._messages[shown] += 1
            for name in sorted(message.names):
                self._known.setdefault(name, shown)

    def __contains__(self, person: str) -> bool:
        return plain(person) in self._known

    def instead_of(self, person: str) -> str:
        """Say who of them is meant by `person`, who is none of them; or else who there is."""
        words = {
            word: shown for name, shown in self._known.items() for word in (*name.split(), name)
        }
        close = get_close_matches(plain(person), words, n=CLOSE)
        if meant := dict.fromkeys(words[word] for word in close):
            return f"Did you mean {' or '.join(map(repr, meant))}?"
        if not self._messages:
            return "Nobody else wrote anything there."
        most = (f"{name!r} ({count:,})" for name, count in self._messages.most_common(MOST))
        return f"Most messages are by {', '.join(most)}."
