"""The commands as their users run them, in a process of their own where it matters."""

import asyncio
import json
import logging
import os
import pty
import re
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.cli import main
from bot.config_file import Loaded
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
ECHO = '[models.echo]\nbackend = "echo"\n[settings]\ninclude_prefix = false\n'


@dataclass(frozen=True)
class Done:
    code: int | None
    out: str
    err: str


async def start(
    folder: Path, *arguments: str, stdout: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def bot(folder: Path, *arguments: str, typed: str = "") -> Done:
    process = await start(folder, *arguments)
    out, err = await process.communicate(typed.encode())
    return Done(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def serving(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A bot that serves; its first line of output has come."""
    process = await start(folder, *arguments)
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        assert line.startswith(b"web: http://127.0.0.1:")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the command runs in this process; the log is as before afterwards."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield tmp_path
    root.handlers[:], root.level = handlers, level


def config(folder: Path, text: str = "") -> str:
    (folder / "config.toml").write_text(ECHO + text)
    return str(folder / "config.toml")


@pytest.mark.parametrize("command", ["", "run", "chat", "demo", "doctor", "status"])
def test_every_command_has_help_with_an_example(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
):
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert re.search(rf"Example: .*python -m bot {command or 'demo'}", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments",
    [[], ["sing"], ["run", "--colour"], ["demo", "--port", "x"], ["demo", "--port", "70000"]],
)
def test_wrong_use_exits_with_2(here: Path, arguments: list[str]):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["run", "chat", "doctor", "status"])
@pytest.mark.parametrize("text", ["colour = 1", "[web]\nport = 'x'", "[web"])
def test_a_wrong_configuration_exits_with_78(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, text: str
):
    assert main([command, "--config", config(here, text)]) == 78
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "The configuration" in shown.err


def test_nothing_to_serve_and_no_config_file_are_wrong_configurations(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["run"]) == 78
    assert main(["run", "--config", config(here)]) == 78
    assert "no platform is enabled" in capsys.readouterr().err


def test_chat_with_an_unknown_model_is_told_in_a_sentence(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["chat", "--model", "nowhere"]) == 1
    assert capsys.readouterr().err == "There is no model nowhere. There is none yet.\n"


def test_a_port_in_use_is_told_in_a_sentence(here: Path, capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 1
    assert f"Port {port} is in use" in capsys.readouterr().err


def test_doctor_says_what_works_and_what_does_not(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "models" / "bad").mkdir(parents=True)
    (here / "models" / "bad" / "card.json").write_text("{")
    (here / "plugins.d").mkdir()
    (here / "plugins.d" / "broken.py").write_text("1 / 0")
    assert main(["doctor", "--config", config(here, "[web]\nenabled = true")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(":")[0].split("  ")[-1]: line[:4].strip() for line in lines} == {
        "config": "ok",
        "platforms": "ok",
        "plugins": "FAIL",
        "database": "ok",
        "model echo": "ok",
        "model bad": "FAIL",
    }


def test_doctor_is_content_where_all_is_well(here: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--config", config(here, "[web]\nenabled = true")]) == 0
    assert all(line.startswith("ok") for line in capsys.readouterr().out.splitlines())


def test_doctor_names_models_that_are_chosen_and_not_there(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    chosen = '[channels."web:a"]\nmodel = "echo"\n[channels."web:lab"]\nmodel = "ecko"\n'
    assert main(["doctor", "--config", config(here, chosen + "[web]\nenabled = true")]) == 1
    [failed] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert failed.endswith('channels."web:lab".model: There is no model ecko. Did you mean echo?')


async def test_a_reader_who_has_seen_enough_ends_a_command_quietly(tmp_path: Path):
    reading, writing = os.pipe()
    os.close(reading)
    process = await start(tmp_path, "doctor", "--config", config(tmp_path), stdout=writing)
    os.close(writing)
    _, err = await process.communicate()
    assert (process.returncode, err) == (1, b"")


async def test_chat_writes_texts_to_stdout_and_errors_to_stderr(tmp_path: Path):
    typed = "hello there\n/generate n=2 x\n/nonsense\n"
    path = config(tmp_path)
    done = await bot(tmp_path, "chat", "--model", "echo", "--config", path, typed=typed)
    assert (done.code, done.out) == (0, "hello there\nx\nx\n")
    assert "nonsense" in done.err


async def test_chat_finds_a_model_in_the_models_folder_and_leaves_nothing_behind(
    tmp_path: Path, tiny_model: Path
):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny").symlink_to(tiny_model)
    done = await bot(tmp_path, "chat", "--model", "tiny", typed="/generate max_tokens=5 seed=1 x\n")
    assert done.code == 0
    assert done.out.startswith("x")
    assert done.err == ""
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


async def test_ctrl_c_leaves_a_chat_that_waits_for_a_line(tmp_path: Path):
    process = await start(tmp_path, "chat", "--config", config(tmp_path))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"/generate model=echo ready\n")
    await process.stdin.drain()
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")


async def test_the_demo_offers_a_channel_only_where_its_model_is(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("stage", "smollm2"):
        (here / "models" / name).mkdir(parents=True)
        (here / "models" / name / "card.json").write_text("{}")
    offered: list[str] = []

    async def serve(loaded: Loaded) -> int:
        offered.extend(loaded.config.web.channels)
        return 0

    monkeypatch.setattr("bot.cli._serve", serve)
    assert await asyncio.to_thread(main, ["demo"]) == 0
    assert offered == ["stage", "lab", "smollm2"]


async def test_demo_prints_its_address_keeps_a_second_one_out_and_ends_well_on_sigterm(
    tmp_path: Path,
):
    async with serving(tmp_path, "demo", "--port", "0") as process:
        second = await bot(tmp_path, "demo", "--port", "0")
        assert second.code == 1
        assert f"process {process.pid}" in second.err
        assert "Traceback" not in second.err
        process.terminate()
        _, err = await process.communicate()
        assert process.returncode == 0
        assert json.loads(err.splitlines()[-1])["message"] == "stopping"
    assert (tmp_path / "data" / "demo" / "chinwag.sqlite3").exists()


async def test_settings_of_a_bot_that_was_killed_are_there_again(tmp_path: Path):
    path = config(tmp_path)
    change = "/settings set temperature 0.25\n"
    process = await start(tmp_path, "chat", "--model", "echo", "--config", path)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(change.encode())
    await process.stdin.drain()
    assert b"temperature is now 0.25" in await process.stdout.readline()
    process.kill()
    await process.communicate()
    done = await bot(tmp_path, "chat", "--config", path, typed="/settings show temperature\n")
    assert done.out == "temperature = 0.25 (channel)\n"


async def test_a_bot_that_was_killed_is_started_again_and_tells_how_it_is(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = config(tmp_path, f"[web]\nenabled = true\nport = 0\n[health]\nport = {port}\n")
    none = await bot(tmp_path, "status", "--config", path)
    assert (none.code, none.out) == (1, "")
    assert "No bot answers" in none.err
    async with serving(tmp_path, "run", "--config", path) as process:
        process.kill()
        await process.wait()
    async with serving(tmp_path, "run", "--config", path):
        told = await bot(tmp_path, "status", "--config", path, "--json")
    assert told.code == 0
    assert json.loads(told.out)["platforms"] == {"web": True}


class Screen:
    """What a process in a terminal of its own has written so far."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._unread = ""

    def wait_for(self, text: str) -> None:
        while text not in self._unread:
            assert select.select([self._terminal], [], [], PATIENCE)[0], self._unread
            self._unread += os.read(self._terminal, 4096).decode()
        self._unread = self._unread.partition(text)[2]


def test_ctrl_c_at_a_terminal_stops_the_text_and_at_the_prompt_leaves(tmp_path: Path):
    config(tmp_path, "[models.slow]\nbackend = 'echo'\noptions = { delay = 0.1 }\n")
    child, terminal = pty.fork()
    if child == 0:
        os.environ["PYTHONPATH"] = str(ROOT)
        os.chdir(tmp_path)
        command = [sys.executable, "-m", "bot", "chat", "--config", "config.toml"]
        os.execv(sys.executable, command)  # noqa: S606 - our own program
    screen = Screen(terminal)
    screen.wait_for("> ")
    os.write(terminal, b"/generate model=slow " + b"word " * 600 + b"\n")
    screen.wait_for("\nword word")
    os.write(terminal, b"\x03")
    screen.wait_for("> ")
    os.write(terminal, b"/settings show n\n")
    screen.wait_for("n = 1")
    screen.wait_for("> ")
    os.write(terminal, b"\x03")
    assert os.waitpid(child, 0)[1] == 0
    os.close(terminal)
