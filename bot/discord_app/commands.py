"""Discord's application commands, made from the bot's own, and read back when somebody sends one.

The format is that of https://discord.com/developers/docs/interactions/application-commands.
discord.py makes such objects from the signatures of Python functions, which these commands do not
have.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord

from plugins.vocabulary import Command, Option

logger = logging.getLogger(__name__)

Json = dict[str, Any]

CONTINUE = "Continue this"
"""The entry in a message's context menu that carries the message on."""

_SLASH, _MESSAGE_MENU = 1, 3
_SUBCOMMAND = 1
_OPTION_TYPES = {"text": 3, "integer": 4, "boolean": 5, "number": 10}
_MOST_TEXT = 6000
"""The most characters of one option."""
_MOST_OPTIONS = 25
_MOST_CHOICES = 25
"""Longer lists are offered while the user types."""
_GUILDS_ONLY = [0]
"""`integration_types`: the bot is installed into guilds, not into user accounts."""
_GUILD_AND_DM = [0, 1]
"""`contexts`: in guilds and in direct messages with the bot."""


def application_commands(commands: Sequence[Command]) -> list[Json]:
    """All commands as Discord registers them; two-word names become a group's subcommands."""
    groups: dict[str, list[Command]] = {}
    for command in commands:
        groups.setdefault(command.name.partition(" ")[0], []).append(command)
    made = [_command(name, members) for name, members in groups.items()]
    if "generate" in groups:
        made.append(_top_level(CONTINUE, _MESSAGE_MENU))
    return made


def _command(name: str, members: Sequence[Command]) -> Json:
    first = members[0]
    if first.name == name:
        slash = _top_level(name, _SLASH)
        slash |= {"description": first.help, "options": _options(first)}
    else:
        slash = _top_level(name, _SLASH)
        slash |= {
            "description": f"{name.capitalize()}: "
            + ", ".join(one.name.partition(" ")[2] for one in members),
            "options": [_subcommand(one) for one in members],
        }
    # Only a hint that hides them in the client: an owner can grant them to anybody, and a group
    # has one permission for all. The router checks each call.
    if all(one.admin for one in members):
        slash["default_member_permissions"] = discord.Permissions(manage_guild=True).value
    return slash


def _top_level(name: str, kind: int) -> Json:
    return {
        "name": name,
        "type": kind,
        "integration_types": _GUILDS_ONLY,
        "contexts": _GUILD_AND_DM,
    }


def _subcommand(command: Command) -> Json:
    return {
        "type": _SUBCOMMAND,
        "name": command.name.partition(" ")[2],
        "description": command.help,
        "options": _options(command),
    }


def _options(command: Command) -> list[Json]:
    """The options that Discord has room for: with one too many it would refuse all commands."""
    if left := [option.name for option in command.options[_MOST_OPTIONS:]]:
        logger.warning("/%s has no room on Discord for: %s", command.name, ", ".join(left))
    return [_option(option) for option in command.options[:_MOST_OPTIONS]]


def _option(option: Option) -> Json:
    made: Json = {
        "type": _OPTION_TYPES[option.kind],
        "name": option.name,
        "description": option.help,
        "required": option.required,
        **_bounds(option),
    }
    if option.choices and len(option.choices) <= _MOST_CHOICES:
        made["choices"] = [{"name": choice, "value": choice} for choice in option.choices]
    elif option.choices or option.complete:
        made["autocomplete"] = True
    return made


def _bounds(option: Option) -> Json:
    if option.kind == "text":
        return {"max_length": min(int(option.maximum or _MOST_TEXT), _MOST_TEXT)}
    if option.kind == "boolean":
        return {}
    number = int if option.kind == "integer" else float
    given = {"min_value": option.minimum, "max_value": option.maximum}
    return {key: number(bound) for key, bound in given.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class Invocation:
    """What an interaction asks for."""

    command: str
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    focused: str = ""
    """While the user still types: the option that is being typed."""


def read_invocation(data: Mapping[str, Any]) -> Invocation:
    """Read the `data` of a slash command, of its autocompletion, or of the context menu."""
    if data.get("type") == _MESSAGE_MENU:
        return Invocation("generate", _continued(data))
    name, options = data["name"], data.get("options", [])
    if options and options[0]["type"] == _SUBCOMMAND:
        name, options = f"{name} {options[0]['name']}", options[0].get("options", [])
    focused = next((option["name"] for option in options if option.get("focused")), "")
    return Invocation(name, {option["name"]: option["value"] for option in options}, focused)


def _continued(data: Mapping[str, Any]) -> dict[str, object]:
    """Options that carry on the chosen message itself, without the channel's own beginning."""
    target = data["resolved"]["messages"][data["target_id"]]
    return {"text": target["content"], "prefix": "", "include_prefix": False}
