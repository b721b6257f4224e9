"""`/settings`: see, change and explain the values of a channel."""

from collections.abc import AsyncIterator, Callable
from typing import cast

from plugins.hookspecs import hookimpl
from plugins.values import show_value
from plugins.vocabulary import Command, Context, Decision, Option, Piece, Scope

SCOPES: tuple[Scope, ...] = ("channel", "thread", "category", "guild")


def _key(*, required: bool) -> Option:
    return Option(
        name="key",
        kind="text",
        help="The setting's name, such as temperature.",
        required=required,
        complete="setting",
    )


SCOPE = Option(
    name="scope",
    kind="text",
    help="Where it counts: this channel, thread, category or the whole guild (workspace).",
    default="channel",
    choices=SCOPES,
)


def given_scope(context: Context) -> Scope:
    """The scope that the asker chose."""
    return cast(Scope, context.options["scope"])


async def _show(context: Context) -> AsyncIterator[Piece]:
    if key := context.options.get("key"):
        yield Piece(_line(context.settings.decision(str(key))))
        return
    lines = [_line(context.settings.decision(one.name)) for one in context.settings.declared()]
    yield Piece("\n".join(lines))


async def _set(context: Context) -> AsyncIterator[Piece]:
    key, value = str(context.options["key"]), context.options["value"]
    decision = await context.settings.set(key, value, given_scope(context))
    yield Piece(_changed(context, decision))


async def _reset(context: Context) -> AsyncIterator[Piece]:
    decision = await context.settings.reset(str(context.options["key"]), given_scope(context))
    yield Piece(f"Forgotten for this {given_scope(context)}. What counts now: {_line(decision)}")


async def _explain(context: Context) -> AsyncIterator[Piece]:
    decision = context.settings.decision(str(context.options["key"]))
    (setting,) = (one for one in context.settings.declared() if one.name == decision.key)
    yield Piece(f"{_line(decision)}\n{setting.help}\n{_origin(decision)}")


def _line(decision: Decision) -> str:
    return f"{decision.key} = {show_value(decision.value)} ({decision.layer})"


def _changed(context: Context, stored: Decision) -> str:
    """Say what was stored, and where a nearer layer keeps it from counting."""
    sentence = f"{stored.key} is now {show_value(stored.value)} for this {stored.layer}."
    counts = context.settings.decision(stored.key)
    if counts.layer == stored.layer:
        return sentence
    return f"{sentence} Here it does not count: {_line(counts)} goes before it."


def _origin(decision: Decision) -> str:
    if decision.set_by is None or decision.set_at is None:
        return f"The value comes from this layer: {decision.layer}."
    when = decision.set_at.strftime("%Y-%m-%d %H:%M UTC")
    return f"{decision.set_by} set it for this {decision.layer} on {when}."


COMMANDS = (
    Command(
        name="settings show",
        help="Show how this channel writes, and which layer decided each value.",
        run=_show,
        options=(_key(required=False),),
        example="/settings show",
        private=True,
    ),
    Command(
        name="settings set",
        help="Change a value for this channel (admins).",
        run=_set,
        options=(
            _key(required=True),
            Option(
                name="value",
                kind="text",
                help="The new value; \\n stands for a line break.",
                required=True,
                complete="value",
            ),
            SCOPE,
        ),
        example="/settings set temperature 0.9",
        admin=True,
    ),
    Command(
        name="settings reset",
        help="Forget the value of this channel, so that the layer below counts (admins).",
        run=_reset,
        options=(_key(required=True), SCOPE),
        example="/settings reset temperature",
        admin=True,
    ),
    Command(
        name="settings explain",
        help="Tell what a setting does, which layer decided it, who set it and when.",
        run=_explain,
        options=(_key(required=True),),
        example="/settings explain temperature",
        private=True,
    ),
)


@hookimpl
def register_commands(register: Callable[[Command], None]) -> None:
    """Offer the four."""
    for command in COMMANDS:
        register(command)
