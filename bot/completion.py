"""Proposals for an option while a user types."""

from collections.abc import Mapping, Sequence

from plugins.values import type_value
from plugins.vocabulary import Command, Models, Option, Settings

MOST = 25
"""The most proposals (Discord's limit)."""


async def propose(
    option: Option,
    typed: str,
    given: Mapping[str, object],
    settings: Settings,
    models: Models,
    commands: Sequence[Command],
) -> list[str]:
    """What fits best to what was typed: beginnings first, then what contains it.

    Raises `UserError` where the other options make no sense.
    """
    match option.complete:
        case "model":
            all_of_them = list(await models.names())
        case "setting":
            all_of_them = [setting.name for setting in settings.declared()]
        case "command":
            all_of_them = [command.name for command in commands]
        case "value":
            all_of_them = await _values(str(given.get("key", "")), settings, models)
        case "":
            all_of_them = list(_of_kind(option))
    begun = typed.strip().lower()
    starting = [one for one in all_of_them if one.lower().startswith(begun)]
    holding = [one for one in all_of_them if begun in one.lower() and one not in starting]
    return (starting + holding)[:MOST]


async def _values(key: str, settings: Settings, models: Models) -> list[str]:
    now = settings.value(key)
    (setting,) = (one for one in settings.declared() if one.name == key)
    if setting.complete == "model":
        return list(await models.names())
    return list(_of_kind(setting)) or [type_value(now)]


def _of_kind(option: Option) -> tuple[str, ...]:
    return ("true", "false") if option.kind == "boolean" else option.choices
