"""`/generate`: the command that the bot is there for."""

from collections.abc import AsyncIterator, Callable

from plugins.closing import closing
from plugins.hookspecs import hookimpl
from plugins.prompting import build_prompt, write
from plugins.vocabulary import Command, Context, Option, Piece

_MOST_SEED = 2**31 - 1


async def _generate(context: Context) -> AsyncIterator[Piece]:
    text, seed = context.options.get("text", ""), context.options.get("seed")
    prompt = build_prompt(context.settings, str(text), None if seed is None else int(seed))
    async with closing(write(context, prompt)) as pieces:
        async for piece in pieces:
            yield piece


GENERATE = Command(
    name="generate",
    help="Carry on a text the way this channel writes.",
    run=_generate,
    options=(
        Option(name="text", kind="text", help="What to carry on; may be left out."),
        Option(
            name="seed",
            kind="integer",
            help="The same seed writes the same text again.",
            minimum=0,
            maximum=_MOST_SEED,
        ),
    ),
    takes_settings=True,
    example="/generate Why do cats",
)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Offer `/generate`."""
    register(GENERATE)
