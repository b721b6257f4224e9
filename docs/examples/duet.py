"""An example plugin: `/duet` lets the channel's model write a text in calm and wild turns.

Drop this file into the operator's plugin folder (`plugins_dir` in the config) and start the bot
again. As a package of its own it would name itself in its pyproject.toml instead:

    [project.entry-points.chinwag]
    duet = "duet"
"""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from backends import Prompt
from plugins import Command, Context, Filter, Option, Piece, Request, Setting, hookimpl
from plugins.prompting import build_prompt

_LINK = re.compile(r"https?://\S+")


@hookimpl
def register_settings(register: Callable[[Setting], None]) -> None:
    """A setting of our own: /settings shows it, admins set it, the config file may have it."""
    register(
        Setting(
            name="duet_turns",
            kind="integer",
            help="How many turns /duet takes here.",
            default=2,
            minimum=1,
            maximum=6,
        )
    )


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """A command for every platform: slash command on Discord, typed on Slack, web and console."""
    register(
        Command(
            name="duet",
            help="Carry on a text in calm and wild turns.",
            run=duet,
            options=(Option(name="text", kind="text", help="How it begins.", required=True),),
            takes_settings=True,
            example="/duet The moon was",
        )
    )


async def duet(context: Context) -> AsyncIterator[Piece]:
    """Write turn by turn; each turn carries on all that was written before."""
    written = str(context.options["text"])
    yield Piece(written)
    for turn in range(int(context.settings.value("duet_turns"))):
        prompt = build_prompt(context.settings, written)
        temperature = 0.5 if turn % 2 == 0 else 1.2
        calm_or_wild = replace(prompt.sampling, temperature=temperature, max_tokens=30)
        async for chunk in context.generate(replace(prompt, n=1, sampling=calm_or_wild)):
            written += chunk.text
            yield Piece(chunk.text)


@hookimpl
def register_filters(register: Callable[[Filter], None]) -> None:
    """A filter sees every prompt and every text, of all commands."""
    register(Filter(name="no_links", before=without_links))


def without_links(prompt: Prompt, request: Request) -> Prompt:
    """Take links out of what people give the model to carry on."""
    return replace(prompt, text=_LINK.sub("", prompt.text))
