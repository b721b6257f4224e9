"""The example of the docs is dropped into a plugin folder and used, as its reader would."""

import shutil
from pathlib import Path

from plugins.loader import load_plugins
from tests.core import ECHO, ask, request, running_core

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "duet.py"


async def test_the_example_plugin_works_as_it_says(tmp_path: Path):
    shutil.copy(EXAMPLE, tmp_path)
    registry = load_plugins(tmp_path)
    assert registry.problems == ()
    async with running_core(tmp_path, ECHO, registry) as core:
        shown = await ask(core, "duet", text="la")
        assert shown.messages == ["lalalala"], "twice what was written before"
        admin = request(is_admin=True)
        await ask(core, "settings set", of=admin, key="duet_turns", value="1")
        assert (await ask(core, "duet", text="la")).messages == ["lala"]


async def test_its_filter_works_for_every_command(tmp_path: Path):
    shutil.copy(EXAMPLE, tmp_path)
    async with running_core(tmp_path, ECHO, load_plugins(tmp_path)) as core:
        shown = await ask(core, "generate", text="see https://example.org/x there")
    assert shown.messages == ["see  there"]
