"""`/about` and `/help`: what this is, and how to use it."""

from collections.abc import AsyncIterator, Callable, Sequence
from difflib import get_close_matches

from backends import UserError
from plugins.builtin.models import current_model, describe_model
from plugins.hookspecs import hookimpl
from plugins.values import expectation
from plugins.vocabulary import Command, Context, Option, Piece

_ABOUT = (
    "chinwag writes with language models such as GPT-2. What it writes is made by a machine: it is "
    "invented, it may be wrong, and nobody has checked it."
)


async def _about(context: Context) -> AsyncIterator[Piece]:
    try:
        model = describe_model(await context.models.info(current_model(context)))
    except UserError as problem:
        model = str(problem)
    yield Piece(f"{_ABOUT}\n\nThe model that writes here:\n{model}")


async def _help(context: Context) -> AsyncIterator[Piece]:
    if name := str(context.options.get("command", "")).strip().lstrip("/").lower():
        yield Piece(describe_command(find_command(context.commands, name)))
        return
    lines = [f"/{command.name}: {command.help}" for command in context.commands]
    yield Piece("\n".join([*lines, "More on one of them: /help generate"]))


def find_command(commands: Sequence[Command], name: str) -> Command:
    """Find a command by its full name. Raises `UserError`, with what may have been meant."""
    by_name = {command.name: command for command in commands}
    if name in by_name:
        return by_name[name]
    close = get_close_matches(name, by_name, n=1)
    meant = f"Did you mean /{close[0]}?" if close else "/help lists them all."
    raise UserError(f"There is no command /{name}. {meant}")


def describe_command(command: Command) -> str:
    """A command's help, its options and an example."""
    lines = [f"/{command.name}: {command.help}", *map(_describe_option, command.options)]
    if command.example:
        lines.append(f"Example: {command.example}")
    return "\n".join(lines)


def _describe_option(option: Option) -> str:
    needed = " (required)" if option.required else ""
    bounds = "" if expectation(option) == "text" else f" ({expectation(option)})"
    return f"  {option.name}{needed}: {option.help}{bounds}"


COMMANDS = (
    Command(
        name="about",
        help="Tell what this bot is, and which model writes here under which licence.",
        run=_about,
        example="/about",
    ),
    Command(
        name="help",
        help="List the commands, or explain one.",
        run=_help,
        options=(
            Option(
                name="command",
                kind="text",
                help="The command's name, such as settings set.",
                complete="command",
            ),
        ),
        example="/help generate",
        private=True,
    ),
)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Offer the two."""
    for command in COMMANDS:
        register(command)
