import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainer.runs_on_disk import make_run, write_metrics
from trainer.cli import COMMANDS, main

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_exits_with_0(command: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"python -m trainer {command}" in capsys.readouterr().out


def test_every_option_that_newcomers_from_gpt_2_simple_are_told_of_exists(
    capsys: pytest.CaptureFixture[str],
):
    page = Path(__file__).parents[2] / "docs" / "model-makers" / "from-gpt-2-simple.md"
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help"])
    told = set(OPTION.findall(page.read_text(encoding="utf-8")))
    assert len(told) > 20
    assert told <= set(OPTION.findall(capsys.readouterr().out))


@pytest.mark.parametrize(
    "words",
    [[], ["dance"], ["finetune"], ["finetune", "a.txt", "--model", "124M"],
     ["finetune", "a", "--model", "b", "--run", "c", "--steps", "many"],
     ["finetune", "a", "--model", "b", "--run", "c", "--threads", "0"],
     ["finetune", "a", "--model", "b", "--run", "c", "--steps", "1", "--minutes", "1"]],
)  # fmt: skip
def test_wrong_use_exits_with_2(words: list[str]):
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2


def test_the_commands_are_declared_without_torch():
    code = (
        "import sys, trainer.cli\n"
        "try: trainer.cli.main(['--help'])\n"
        "finally: assert not {'torch', 'transformers', 'onnxruntime'} & set(sys.modules)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "finetune" in done.stdout


def test_a_reader_who_has_seen_enough_ends_a_command_quietly(tmp_path: Path):
    (tmp_path / "ask").mkdir()
    (tmp_path / "ask" / "config.toml").write_text('data = "titles.txt"\nmodel = "fresh:tiny"\n')
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-m", "trainer", "runs", "list", "--runs-dir", str(tmp_path)],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_output_that_lacks_characters_is_a_sentence(tmp_path: Path):
    write_metrics(make_run(tmp_path, "ask"), [(5.0, 5.5)])
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-m", "trainer", "runs", "show", "ask", "--runs-dir", str(tmp_path)],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "latin-1, has not all characters" in done.stderr
