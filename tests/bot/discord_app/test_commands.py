import re
from collections.abc import AsyncIterator

import pytest

from bot.discord_app.commands import CONTINUE, Json, application_commands, read_invocation
from plugins.loader import load_plugins
from plugins.vocabulary import Command, Context, Option, Piece


async def unused(context: Context) -> AsyncIterator[Piece]:
    yield Piece("")


def command(name: str = "try", *options: Option, admin: bool = False) -> Command:
    return Command(name=name, help="Try it.", run=unused, options=options, admin=admin)


def made(*commands: Command) -> dict[str, Json]:
    return {one["name"]: one for one in application_commands(commands)}


def only_option(option: Option) -> Json:
    (one,) = made(command("try", option))["try"]["options"]
    return one


def depths(commands: list[Json]) -> list[Json]:
    """All objects in the commands that have a name and a description."""
    inner = [one for outer in commands for one in outer.get("options", [])]
    return commands + (depths(inner) if inner else [])


def test_one_word_is_a_command_and_two_words_are_a_group_with_a_subcommand() -> None:
    commands = made(command("about"), command("model list"), command("model use"))
    assert list(commands) == ["about", "model"]
    assert commands["about"]["options"] == []
    assert [(one["type"], one["name"]) for one in commands["model"]["options"]] == [
        (1, "list"),
        (1, "use"),
    ]


@pytest.mark.parametrize(
    ("option", "typed"),
    [
        (
            Option(name="a", kind="integer", help="A.", minimum=1, maximum=64),
            {"type": 4, "min_value": 1, "max_value": 64},
        ),
        (
            Option(name="a", kind="number", help="A.", minimum=0, maximum=5),
            {"type": 10, "min_value": 0.0, "max_value": 5.0},
        ),
        (Option(name="a", kind="boolean", help="A."), {"type": 5}),
        (Option(name="a", kind="text", help="A.", maximum=64), {"type": 3, "max_length": 64}),
        (Option(name="a", kind="text", help="A."), {"type": 3, "max_length": 6000}),
        (
            Option(name="a", kind="text", help="A.", complete="model"),
            {"type": 3, "max_length": 6000, "autocomplete": True},
        ),
        (
            Option(name="a", kind="text", help="A.", choices=("x", "y")),
            {
                "type": 3,
                "max_length": 6000,
                "choices": [{"name": "x", "value": "x"}, {"name": "y", "value": "y"}],
            },
        ),
        (
            Option(name="a", kind="text", help="A.", choices=tuple(map(str, range(26)))),
            {"type": 3, "max_length": 6000, "autocomplete": True},
        ),
    ],
)
def test_an_option_keeps_its_kind_bounds_choices_and_proposals(option: Option, typed: Json) -> None:
    same = {"name": "a", "description": "A.", "required": False}
    assert only_option(option) == {**same, **typed}


def test_a_required_option_is_required() -> None:
    assert only_option(Option(name="a", kind="text", help="A.", required=True))["required"]


def test_a_command_with_more_options_than_discord_takes_is_offered_without_the_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = [Option(name=f"o{number}", kind="text", help="O.") for number in range(27)]
    assert len(made(command("try", *options))["try"]["options"]) == 25
    assert "o25, o26" in caplog.text


def test_only_a_command_whose_every_part_is_for_admins_is_hidden_from_others() -> None:
    admin, member = command("a x", admin=True), command("a y")
    manage_guild = 32
    assert made(admin)["a"]["default_member_permissions"] == manage_guild
    assert "default_member_permissions" not in made(admin, member)["a"]


def test_the_context_menu_is_offered_where_texts_can_be_generated() -> None:
    assert made(command("generate"))[CONTINUE]["type"] == 3
    assert CONTINUE not in made(command("about"))


def test_the_built_in_commands_are_within_discords_limits() -> None:
    commands = application_commands(load_plugins().commands)
    for one in depths([one for one in commands if one["name"] != CONTINUE]):
        assert re.fullmatch(r"[-_a-z0-9]{1,32}", one["name"])
        assert 1 <= len(one["description"]) <= 100
        assert len(one.get("options", [])) <= 25
        required = [option.get("required", False) for option in one.get("options", [])]
        assert required == sorted(required, reverse=True)


def test_an_invocation_is_read_back_with_group_options_and_what_is_being_typed() -> None:
    data: Json = {
        "name": "settings",
        "type": 1,
        "options": [
            {
                "name": "set",
                "type": 1,
                "options": [
                    {"name": "key", "type": 3, "value": "temperature"},
                    {"name": "value", "type": 3, "value": "0.", "focused": True},
                ],
            }
        ],
    }
    invocation = read_invocation(data)
    assert invocation.command == "settings set"
    assert invocation.options == {"key": "temperature", "value": "0."}
    assert invocation.focused == "value"


def test_a_command_without_options_is_read_back() -> None:
    invocation = read_invocation({"name": "about", "type": 1})
    assert (invocation.command, invocation.options) == ("about", {})
