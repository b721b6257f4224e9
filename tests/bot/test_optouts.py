import json
from pathlib import Path

import pytest

from backends import UserError
from bot.optouts import opt_out_lines
from tests.core import ask, request, running_core
from trainer.chats.people import opted_out


async def test_who_opted_out_stands_in_the_list_and_the_trainer_reads_it(tmp_path: Path):
    async with running_core(tmp_path) as core:
        await ask(core, "optout on", of=request(platform="slack", user="U1", user_name="Ada"))
        await ask(core, "optout on", of=request(platform="discord", user="2", user_name="Bob"))
        await ask(core, "optout on", of=request(platform="slack", user="U3", user_name="Eve"))
        await ask(core, "optout off", of=request(platform="slack", user="U3", user_name="Eve"))
    lines = [line async for line in opt_out_lines(tmp_path / "data")]
    assert [json.loads(line) for line in lines] == [
        {"platform": "discord", "user": "2", "name": "Bob"},
        {"platform": "slack", "user": "U1", "name": "Ada"},
    ]
    path = tmp_path / "list"
    path.write_text("\n".join(lines))
    assert opted_out(path, "slack") == {"U1"}


async def test_status_tells_the_asker_and_nobody_elses_choice(tmp_path: Path):
    async with running_core(tmp_path) as core:
        for _ in range(2):
            await ask(core, "optout on", of=request(user="1"))
        (mine,) = (await ask(core, "optout status", of=request(user="1"))).messages
        (other,) = (await ask(core, "optout status", of=request(user="2"))).messages
    assert mine.startswith("You are on this")
    assert other.startswith("You are not on this")


async def test_the_list_of_a_running_bot_is_refused_with_a_sentence(tmp_path: Path):
    async with running_core(tmp_path):
        with pytest.raises(UserError, match="Another chinwag"):
            _ = [line async for line in opt_out_lines(tmp_path / "data")]
