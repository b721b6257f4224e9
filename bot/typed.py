"""Typed commands: `generate --temperature 0.9 Once upon a time` becomes a name and its options.

The rules, the same in Slack, on the web page and in the terminal:

- The command comes first, in one word or two, with or without a `/` before it.
- Options are named as `--name value`, `--name=value` or `name=value`, before the text or, with
  their dashes, after it. A value with spaces stands in single or double quotes.
- What is not named goes to the required options in their order, or to the first option where
  none is required. Each takes one word; the last takes all the rest exactly as it was typed.
- After ` -- ` everything is text, whatever it looks like.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from backends import UserError
from plugins.vocabulary import Command, Option

_VALUE = r"""(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|“(?P<curly>[^”]*)”|(?P<bare>\S+))(?!\S)"""
# Phones and Macs turn two hyphens into one em dash while one types, and quotes into curly ones.
_NAMED = re.compile(
    rf"(?:(?P<sure>--)|\u2014|(?=[\w-]+=))(?P<name>[A-Za-z][\w-]*)(?:(?:=|\s+){_VALUE}|=)?(?:\s+|$)"
)
_TRAILING = re.compile(rf"(?<!\S)(?:--|\u2014)(?P<name>[A-Za-z][\w-]*)(?:=|\s+){_VALUE}\s*\Z")
_TEXT_FOLLOWS = re.compile(r"--(?:\s|$)")
_WORD = re.compile(r"(\S+)\s*")
_COMMANDS = (re.compile(r"\s*/?\s*(\S+\s+\S+)\s*"), re.compile(r"\s*/?\s*(\S+)\s*"))


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as it was typed: its full name, and options by name, not yet checked."""

    command: str
    options: dict[str, object] = field(default_factory=dict[str, object])


def parse(line: str, commands: Sequence[Command]) -> Typed:
    """Find the command at the start of `line` and its options in the rest.

    Whether the values fit, and whether a required one lacks, is the dispatcher's to say.
    Raises `UserError` for a command or an option that does not exist, an option without its value
    or given twice, and text that no option takes.
    """
    command, rest = _split_command(line, commands)
    return Typed(command.name, _Options(command).read(rest))


def understand(said: str, commands: Sequence[Command]) -> Typed:
    """Read what was said to the bot: a command behind a `/`, or else a text to carry on.

    Raises `UserError` as `parse` does.
    """
    if said.lstrip().startswith("/"):
        return parse(said, commands)
    return Typed("generate", {"text": said})


def _split_command(line: str, commands: Sequence[Command]) -> tuple[Command, str]:
    by_name = {command.name: command for command in commands}
    words: list[str] = []
    for found in filter(None, (pattern.match(line) for pattern in _COMMANDS)):
        words = words or found[1].split()
        if command := by_name.get(" ".join(found[1].split()).lower()):
            return command, line[found.end() :]
    raise UserError(_no_such_command(words, list(by_name)))


def _no_such_command(words: Sequence[str], names: Sequence[str]) -> str:
    if not words:
        return f"Type a command: {_listed(names)}."
    first, both = words[0].lower(), " ".join(words).lower()
    members = [name for name in names if name.startswith(f"{first} ")]
    if members and not (len(words) > 1 and get_close_matches(both, members, n=1)):
        return f"{first} needs a second word: {_listed(members)}."
    typed = first if len(words) == 1 or get_close_matches(first, names, n=1) else both
    return f"There is no command “{typed}”.{_meant(typed, names)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _meant(typed: str, names: Sequence[str], before: str = "") -> str:
    if close := get_close_matches(typed, names, n=1):
        return f" Did you mean `{before}{close[0]}`?"
    there_are = _listed(before + name for name in names)
    return f" There are: {there_are}." if there_are else " It takes none."


class _Options:
    """Reads what follows the name of one command."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._by_name = {option.name: option for option in command.options}
        self._read: dict[str, object] = {}

    def read(self, rest: str) -> dict[str, object]:
        rest = self._take_named(rest)
        for option in (takers := self._takers())[:-1]:
            if not (word := _WORD.match(rest)) or _TEXT_FOLLOWS.match(rest):
                break
            self._read[option.name] = word[1]
            rest = self._take_named(rest[word.end() :])
        self._take_text(rest, [option for option in takers if option.name not in self._read])
        return self._read

    def _takers(self) -> list[Option]:
        required = [option for option in self._command.options if option.required]
        takers = required or self._command.options[:1]
        return [option for option in takers if option.name not in self._read]

    def _take_named(self, rest: str) -> str:
        """Take options off the front; return what is left."""
        while found := self._named(rest):
            self._store(found)
            rest = rest[found.end() :]
        return rest

    def _named(self, rest: str) -> re.Match[str] | None:
        """Find an option, which without `--` is text unless its name is an option's, or nearly."""
        found = _NAMED.match(rest)
        if not found or found["sure"]:
            return found
        close = get_close_matches(_normal(found["name"]), self._by_name, n=1, cutoff=0.8)
        return found if close else None

    def _store(self, found: re.Match[str]) -> None:
        name = _normal(found["name"])
        if name not in self._by_name:
            meant = _meant(name, list(self._by_name), before="--")
            advice = " Put `--` before text that begins like an option." if self._by_name else ""
            raise UserError(f"{self._command.name} has no option “{name}”.{meant}{advice}")
        values = found.group("double", "single", "curly", "bare")
        if (value := next((v for v in values if v is not None), None)) is None:
            raise UserError(f"--{name} needs a value, such as `--{name}=…`.")
        if name in self._read:
            raise UserError(f"{name} is given twice. Give it once.")
        self._read[name] = value

    def _take_text(self, rest: str, takers: Sequence[Option]) -> None:
        if mark := _TEXT_FOLLOWS.match(rest):
            rest = rest[mark.end() :]
        else:
            rest = self._take_trailing(rest)
        takers = [option for option in takers if option.name not in self._read]
        if not rest.strip():
            return
        if not takers:
            raise UserError(f"{self._command.name} takes no text. Leave out “{rest.strip()}”.")
        self._read[takers[0].name] = rest

    def _take_trailing(self, rest: str) -> str:
        """Take options that exist off the end; a `--word` that is none is the writer's own."""
        while (found := _TRAILING.search(rest)) and _normal(found["name"]) in self._by_name:
            self._store(found)
            rest = rest[: found.start()].rstrip()
        return rest


def _normal(name: str) -> str:
    return name.lower().replace("-", "_")
