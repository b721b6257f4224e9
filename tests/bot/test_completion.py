from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.core import request, running_core

CONFIG = {
    "models": {name: {"backend": "echo"} for name in ("ask", "stage", "task")},
    "settings": {"model": "ask", "truncate": "end\n"},
}


@pytest.mark.parametrize(
    ("command", "option", "typed", "given", "proposals"),
    [
        ("model use", "name", "", {}, ["ask", "stage", "task"]),
        ("model use", "name", "AS", {}, ["ask", "task"]),
        ("generate", "model", "st", {}, ["stage"]),
        ("settings set", "key", "temp", {}, ["temperature"]),
        ("settings set", "scope", "", {}, ["channel", "thread", "category", "guild"]),
        ("settings set", "value", "", {"key": "include_prefix"}, ["true", "false"]),
        ("settings set", "value", "", {"key": "model"}, ["ask", "stage", "task"]),
        ("settings set", "value", "", {"key": "truncate"}, ["end\\n"]),
        ("settings set", "value", "", {"key": "nonsense"}, []),
        ("settings set", "value", "", {}, []),
        ("help", "command", "settings s", {}, ["settings show", "settings set"]),
        ("generate", "include_prefix", "t", {}, ["true"]),
        ("generate", "text", "a", {}, []),
        ("generate", "nonsense", "", {}, []),
        ("nonsense", "x", "", {}, []),
    ],
)
async def test_what_fits_what_was_typed_is_proposed_beginnings_first(
    tmp_path: Path,
    command: str,
    option: str,
    typed: str,
    given: Mapping[str, object],
    proposals: list[str],
):
    async with running_core(tmp_path, CONFIG) as core:
        found = await core.router.complete(request(), command, option, typed, given)
    assert found == proposals


async def test_never_more_than_25_are_proposed(tmp_path: Path):
    many = {"models": {f"m{number}": {"backend": "echo"} for number in range(60)}}
    async with running_core(tmp_path, many) as core:
        assert len(await core.router.complete(request(), "model use", "name", "", {})) == 25
