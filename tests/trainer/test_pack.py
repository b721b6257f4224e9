from pathlib import Path

import fsspec
import pytest

from tests.trainer.runs_on_disk import make_run
from trainer.cli import main
from trainer.locks import run_lock


def pack(root: Path, to: Path) -> int:
    return main(["pack", "--runs-dir", str(root), "--run", "a", "--to", str(to)])


def test_a_packed_run_comes_back_as_it_was_under_any_name(tmp_path: Path):
    run = make_run(tmp_path / "runs", "a")
    assert pack(tmp_path / "runs", tmp_path) == 0
    words = ["unpack", str(tmp_path / "a.tar.zst"), "--runs-dir", str(tmp_path / "runs")]
    assert main([*words, "--run", "b"]) == 0
    before = {path.relative_to(run.path): path for path in run.path.rglob("*") if path.is_file()}
    other = run.path.with_name("b")
    after = {path.relative_to(other): path for path in other.rglob("*") if path.is_file()}
    assert before.keys() == after.keys()
    assert all(before[name].read_bytes() == after[name].read_bytes() for name in before)


def test_a_file_that_exists_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    make_run(tmp_path / "runs", "a")
    (tmp_path / "a.tar.zst").write_text("mine")
    assert pack(tmp_path / "runs", tmp_path) == 1
    assert "exists" in capsys.readouterr().err
    assert (tmp_path / "a.tar.zst").read_text() == "mine"


def test_a_run_in_use_and_a_run_with_links_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run(tmp_path / "runs", "a")
    with run_lock(run):
        assert pack(tmp_path / "runs", tmp_path) == 1
    assert "Another process" in capsys.readouterr().err
    (run.path / "link").symlink_to("/etc/hostname")
    assert pack(tmp_path / "runs", tmp_path) == 1
    assert "is a link" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.zst"))


def test_a_run_goes_to_a_url_and_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = make_run(tmp_path / "runs", "a")
    shelf = fsspec.filesystem("memory")
    url, runs = "memory://shelf/a.tar.zst", ["--runs-dir", str(tmp_path / "runs")]
    try:
        assert main(["pack", "--run", "a", "--to", url, *runs]) == 0
        assert main(["pack", "--run", "a", "--to", url, *runs]) == 1
        assert "is there already" in capsys.readouterr().err
        assert shelf.ls("/shelf", detail=False) == ["/shelf/a.tar.zst"]
        assert main(["unpack", url, "--run", "b", *runs]) == 0
    finally:
        shelf.rm("/shelf", recursive=True)
    assert run.path.with_name("b").joinpath("config.toml").read_bytes() == run.config.read_bytes()


@pytest.mark.parametrize(
    ("url", "said"), [("memory://none.tar.zst", "nothing at"), ("nosuch://a", "cannot be used")]
)
def test_a_url_where_nothing_is_and_one_that_nobody_knows_are_sentences(
    url: str, said: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["unpack", url]) == 1
    assert said in capsys.readouterr().err
