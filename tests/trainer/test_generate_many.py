import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import PATIENCE
from trainer.cli import main

ROOT = Path(__file__).parents[2]
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.glob(".*"))


def generate_many(model: Path, *words: str) -> int:
    return main(["generate-many", "--model", str(model), "--temperature", "1", *words])


def objects(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().split("\n")[:-1]]


def test_each_text_has_a_seed_of_its_own_and_the_list_is_written_again(tiny_model: Path):
    words = ("--n", "100", "--max-tokens", "4", "--seed", "7", "--prefix", "What")
    assert generate_many(tiny_model, *words, "--to", "a.jsonl") == 0
    lines = objects("a.jsonl")
    assert [line["seed"] for line in lines] == list(range(7, 107))
    assert [line["index"] for line in lines] == list(range(100))
    assert all(line["text"].startswith("What") and line["tokens"] <= 4 for line in lines)
    assert generate_many(tiny_model, *words, "--to", "b.jsonl") == 0
    assert objects("b.jsonl") == lines
    assert generate_many(tiny_model, *words, "--to", "c.txt") == 0
    written = Path("c.txt").read_text().split("\n====================\n")
    assert written == [line["text"] for line in lines] + [""]


def test_killed_and_called_again_it_ends_as_if_it_had_not_been(tiny_model: Path):
    words = ["--model", str(tiny_model), "--n", "400", "--max-tokens", "30", "--temperature", "1"]
    command = [sys.executable, "-m", "trainer", "generate-many", *words, "--to", "a.jsonl"]
    partial = Path("a.jsonl.partial")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 - our own program
        end = time.monotonic() + PATIENCE
        while not partial.exists() or partial.read_bytes().count(b"\n") < 20:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.001)
        process.kill()
    with partial.open("a") as file:
        file.write('{"index": 99, "te')  # as a crash may leave it
    seed = json.loads(partial.read_text().partition("\n")[0])["seed"]
    assert main(["generate-many", *words, "--to", "a.jsonl"]) == 0
    assert not partial.exists()
    assert main(["generate-many", *words, "--to", "b.jsonl", "--seed", str(seed)]) == 0
    assert objects("a.jsonl") == objects("b.jsonl")
    assert len(objects("a.jsonl")) == 400


def test_prompts_may_have_options_of_their_own(tiny_model: Path):
    Path("p.txt").write_text("\ufeffWhat\n\nWhy do\n")
    assert (
        generate_many(tiny_model, "p.txt", "--n", "2", "--max-tokens", "3", "--to", "a.jsonl") == 0
    )
    assert [line["prefix"] for line in objects("a.jsonl")] == ["What", "What", "Why do", "Why do"]
    Path("p.jsonl").write_text('{"prefix": "What", "max_tokens": 2}\n{"include_prefix": false}\n')
    assert generate_many(tiny_model, "p.jsonl", "--max-tokens", "9", "--to", "b.jsonl") == 0
    first, second = objects("b.jsonl")
    assert first["tokens"] <= 2
    assert second["prefix"] == ""


def test_texts_written_before_are_left_out_on_request(tiny_model: Path, capsys: Output):
    words = ("--n", "30", "--max-tokens", "1", "--top-k", "2", "--unique")
    assert generate_many(tiny_model, *words, "--to", "a.jsonl") == 0
    written = [line["text"].casefold() for line in objects("a.jsonl")]
    assert len(written) == len(set(written)) < 30
    assert f"{30 - len(written)} that were written before left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prompts", "said"),
    [
        ("", "holds no prompt"),
        ("nonsense\n", "line 1: this is no prompt"),
        ('{"prefix": "a"}\n[1]\n', "line 2: this is no prompt"),
        ('{"prefixes": "a"}\n', "it may have include_prefix"),
        ('{"temperature": "hot"}\n', "temperature cannot be 'hot'"),
        ('{"temperature": 99}\n', "line 1: temperature must be between"),
        ('{"prefix": true}\n', "prefix cannot be True"),
        ("[" * 9999 + "\n", "line 1: this is no prompt"),
    ],
)
def test_a_wrong_prompt_is_a_sentence_before_anything_is_written(
    tiny_model: Path, capsys: Output, prompts: str, said: str
):
    Path("p.jsonl").write_text(prompts)
    assert generate_many(tiny_model, "p.jsonl", "--to", "a.jsonl") == 1
    assert said in capsys.readouterr().err
    assert not list(Path().glob("a.*"))


def test_what_is_there_is_not_written_over_and_another_list_not_gone_on_with(
    tiny_model: Path, capsys: Output
):
    words = ("--max-tokens", "2", "--to", "a.jsonl")
    for content in ('{"asked": "another", "seed": 1}\n', "nonsense\n"):
        Path("a.jsonl.partial").write_text(content)
        assert generate_many(tiny_model, *words) == 1
        assert "was begun with other options" in capsys.readouterr().err
        assert Path("a.jsonl.partial").read_text() == content
    Path("a.jsonl.partial").write_text("")
    assert generate_many(tiny_model, *words) == 0
    assert generate_many(tiny_model, *words) == 1
    assert "a.jsonl is there already" in capsys.readouterr().err
    assert generate_many(tiny_model, "--n", "0", "--to", "b.jsonl") == 1
    assert generate_many(tiny_model, "none.txt", "--to", "b.jsonl") == 1
    assert "cannot be read" in capsys.readouterr().err
