import json
import subprocess
import sys

import pytest

from bench import __main__ as command
from bench import share, soak


def test_a_measurement_prints_its_table_and_writes_its_rows(tmp_path, capsys):
    target = tmp_path / "rows.jsonl"
    given = [
        "share",
        "--shape",
        "tiny",
        "--rounds",
        "1",
        "--new-tokens",
        "200",
        "--json",
        str(target),
    ]
    assert command.main(given) == 0
    out = capsys.readouterr().out
    assert "next token: entropy" in out
    assert "Python's share of a step" in out
    against = [json.loads(line)["against"] for line in target.read_text().splitlines()]
    assert against.count("Python's share of a step") == len(share.PRECISIONS)


@pytest.mark.parametrize(("faults", "code", "word"), [([], 0, "passed"), (["x"], 1, "failed")])
def test_a_soak_ends_in_a_verdict(monkeypatch, capsys, faults, code, word):
    monkeypatch.setattr(soak, "soak", lambda requests, seed: faults)
    assert command.main(["soak"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == word


def test_numbers_below_one_are_refused_in_a_sentence(capsys):
    with pytest.raises(SystemExit):
        command.main(["engine", "--rounds", "0"])
    assert "must be at least 1" in capsys.readouterr().err


def test_the_soak_does_without_pytorch_whose_memory_would_hide_a_leak():
    program = "import sys, bench.__main__, bench.soak; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=False)  # noqa: S603 - our own
    assert done.returncode == 0
