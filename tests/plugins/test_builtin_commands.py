from pathlib import Path

import pytest

from bot.core import Core
from bot.typed import parse
from plugins.vocabulary import Command
from tests.core import ECHO, ask, request, running_core
from tests.fakes.surface import RecordingSurface


async def as_admin(core: Core, command: str, /, **options: object) -> RecordingSurface:
    shown = await ask(core, command, of=request(is_admin=True), **options)
    assert shown.refusals == []
    return shown


async def text_of(core: Core, command: str, /, **options: object) -> str:
    return "\n".join((await as_admin(core, command, **options)).messages)


@pytest.mark.parametrize(
    ("prefix", "text", "together"),
    [
        ("ROMEO:", "But soft", "ROMEO: But soft"),
        ("ROMEO:\n", "But soft", "ROMEO:\nBut soft"),
        ("ROMEO:", "\nBut soft", "ROMEO:\nBut soft"),
        ("ROMEO:", "", "ROMEO:"),
        ("", "But soft", "But soft"),
    ],
)
async def test_prefix_and_text_are_joined_by_one_space_where_none_is_there(
    tmp_path: Path, prefix: str, text: str, together: str
):
    async with running_core(tmp_path) as core:
        assert await text_of(core, "generate", prefix=prefix, text=text) == together


async def test_include_prefix_shows_what_was_given_with_or_without_truncate(tmp_path: Path):
    async with running_core(tmp_path) as core:
        for truncate in ("", "nowhere"):
            shown = await text_of(
                core, "generate", prefix="P", text="a b", include_prefix=True, truncate=truncate
            )
            assert shown == "P a bP a b"


async def test_truncate_ends_the_text_before_it_first_appears(tmp_path: Path):
    async with running_core(tmp_path) as core:
        await as_admin(core, "settings set", key="truncate", value=r"\n")
        assert await text_of(core, "generate", text="one two\nthree") == "one two"


async def test_several_texts_come_one_after_the_other_each_whole(tmp_path: Path):
    async with running_core(tmp_path) as core:
        shown = await as_admin(core, "generate", text="one two three", n=3)
    assert shown.messages == ["one two three"] * 3


async def test_settings_are_set_shown_explained_and_reset(tmp_path: Path):
    async with running_core(tmp_path) as core:
        said = await text_of(core, "settings set", key="temperature", value="0.25")
        assert said == "temperature is now 0.25 for this channel."
        assert await text_of(core, "settings show", key="temperature") == (
            "temperature = 0.25 (channel)"
        )
        assert "Ada set it for this channel on" in await text_of(
            core, "settings explain", key="temperature"
        )
        assert "0.7 (built-in)" in await text_of(core, "settings reset", key="temperature")
        assert "comes from this layer: built-in" in await text_of(
            core, "settings explain", key="temperature"
        )


async def test_a_value_that_a_nearer_layer_covers_is_said_not_to_count(tmp_path: Path):
    async with running_core(tmp_path) as core:
        await as_admin(core, "settings set", key="n", value="2")
        said = await text_of(core, "settings set", key="n", value="3", scope="guild")
    assert said == (
        "n is now 3 for this guild. Here it does not count: n = 2 (channel) goes before it."
    )


async def test_show_lists_every_setting_with_its_layer(tmp_path: Path):
    async with running_core(tmp_path) as core:
        lines = (await text_of(core, "settings show")).splitlines()
        assert [line.split(" = ")[0] for line in lines] == [
            setting.name for setting in core.registry.settings
        ]


async def test_a_model_is_listed_chosen_and_described(tmp_path: Path):
    config = {"models": {"one": {"backend": "echo"}, "two": {"backend": "echo"}}}
    async with running_core(tmp_path, config) as core:
        assert await text_of(core, "model list") == "one\ntwo"
        nothing = await ask(core, "generate", text="x")
        assert "No model is chosen here" in nothing.refusals[0]
        assert "two now writes" in await text_of(core, "model use", name="two")
        assert await text_of(core, "model list") == "one\ntwo (writes here)"
        assert "two (echo)" in await text_of(core, "model info")
        assert "one (echo)" in await text_of(core, "model info", name="one")


async def test_no_model_at_all_is_told_in_a_sentence(tmp_path: Path):
    async with running_core(tmp_path, {}) as core:
        assert "There is no model yet" in (await ask(core, "model list")).refusals[0]
        assert "No model is chosen" in await text_of(core, "about")


async def test_about_says_that_a_machine_writes(tmp_path: Path):
    async with running_core(tmp_path) as core:
        said = await text_of(core, "about")
    assert "GPT-2" in said
    assert "made by a machine" in said
    assert "echo" in said


async def test_about_gives_data_and_licence_of_a_real_model(tmp_path: Path, tiny_model: Path):
    config = {"models": {"tiny": {"backend": "onnx", "path": str(tiny_model)}}}
    async with running_core(tmp_path, config) as core:
        assert "made on the spot (licence: MIT)" in await text_of(core, "about")
        assert await text_of(core, "generate", text="What would", max_tokens=8, seed=1)


async def test_help_lists_all_commands_and_explains_one(tmp_path: Path):
    async with running_core(tmp_path) as core:
        said = await text_of(core, "help")
        assert all(f"/{command.name}: " in said for command in core.router.commands)
        one = await text_of(core, "help", command="/Settings Set")
        assert "key (required)" in one
        assert "Example: /settings set" in one
        assert "Did you mean /generate" in (await ask(core, "help", command="generte")).refusals[0]


async def commands(tmp_path: Path) -> list[Command]:
    async with running_core(tmp_path, ECHO) as core:
        return list(core.router.commands)


async def test_only_what_changes_a_channel_is_for_admins(tmp_path: Path):
    admins = [command.name for command in await commands(tmp_path) if command.admin]
    assert admins == ["settings set", "settings reset", "model use"]


async def test_every_built_in_command_has_an_example(tmp_path: Path):
    assert all(
        command.example.startswith(f"/{command.name}") for command in await commands(tmp_path)
    )


async def test_every_example_can_be_typed_as_it_stands(tmp_path: Path):
    known = await commands(tmp_path)
    for command in known:
        assert parse(command.example, known).command == command.name
