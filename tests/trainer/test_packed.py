"""What is packed comes back, and what is not whole or not ours is refused and leaves nothing."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer import packed
from trainer.cli import main
from trainer.locks import run_lock
from trainer.runs import Run
from trainer.settings import Settings, write_settings

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """A run's files; training is not needed for this."""
    monkeypatch.chdir(tmp_path)
    run = Run(Path("runs/ask"))
    run.best.mkdir(parents=True)
    write_settings(Settings(data="titles.csv", model="fresh:tiny"), run.config)
    (run.best / "model.safetensors").write_bytes(bytes(range(256)) * 999)
    run.metrics.write_text("")
    yield run
    assert not list(tmp_path.rglob(".*"))


def files(run: Run) -> dict[str, bytes]:
    return {
        path.relative_to(run.path).as_posix(): path.read_bytes()
        for path in run.path.rglob("*")
        if path.is_file()
    }


def archive(members: dict[str, bytes], **manifest: Any) -> bytes:
    """A packed run with these files, and in its manifest what is given otherwise."""
    said = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
    }
    return tarred(
        (
            (tarfile.TarInfo(packed.MANIFEST), json.dumps(
                {"format": 1, "run": "ask", "files": said} | manifest).encode()),
            *((tarfile.TarInfo(name), data) for name, data in members.items()),
        )
    )  # fmt: skip


def tarred(members: Any) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for member, data in members:
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data))
    return zstandard.ZstdCompressor().compress(file.getvalue())


def special(kind: bytes) -> bytes:
    """An archive in which a file is something else instead."""
    member = tarfile.TarInfo("config.toml")
    member.type, member.linkname = kind, "/etc/passwd"
    said = {"config.toml": {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}}
    manifest = json.dumps({"format": 1, "run": "ask", "files": said}).encode()
    return tarred([(tarfile.TarInfo(packed.MANIFEST), manifest), (member, b"")])


def huge_header() -> bytes:
    """A manifest whose header asks for a terabyte of extended attributes."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 1 << 33
    return zstandard.ZstdCompressor().compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 26))


CONFIG = b'data = "titles.csv"\nmodel = "fresh:tiny"\n'
WHOLE = {"config.toml": CONFIG, "metrics.jsonl": b""}
ONE = {"config.toml": {"bytes": len(CONFIG), "sha256": "0" * 64}}
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "no packed run, or cut off"),
    "text": (lambda: b"What would you do?\n", "no packed run, or cut off"),
    "zeros": (lambda: zstandard.ZstdCompressor().compress(bytes(9999)), "no packed run"),
    "cut off": (lambda: archive(WHOLE)[:-30], "no packed run, or cut off"),
    "no manifest": (lambda: tarred([(tarfile.TarInfo("config.toml"), CONFIG)]), "no packed run"),
    "list": (lambda: archive({}, files=[1]), "manifest is damaged"),
    "newer": (lambda: archive(WHOLE, format=2), "a newer chinwag"),
    "up": (lambda: archive({"../x": b"", **WHOLE}), "is no path"),
    "up inside": (lambda: archive({"a/../../x": b"", **WHOLE}), "is no path"),
    "absolute": (lambda: archive({"/tmp/x": b"", **WHOLE}), "is no path"),  # noqa: S108 - refused
    "backslash": (lambda: archive({"a\\b": b"", **WHOLE}), "is no path"),
    "hidden": (lambda: archive({".bashrc": b"", **WHOLE}), "is no path"),
    "pickle": (lambda: archive({"a/pytorch_model.bin": b"", **WHOLE}), "could run code"),
    "run's name": (lambda: archive(WHOLE, run="../ask"), "no packed run"),
    "not named": (lambda: archive(WHOLE, files=ONE), "another checksum"),
    "missing": (lambda: archive({"config.toml": CONFIG}, files={**ONE, "b": {"bytes": 0,
                "sha256": ""}}), "checksum|missing"),
    "negative": (lambda: archive({}, files={"a": {"bytes": -1, "sha256": ""}}), "is damaged"),
    "no run": (lambda: archive({"notes.txt": b"hi"}), "holds no run"),
    "settings": (lambda: archive({"config.toml": b"x = ["}), "cannot be read as a run's"),
    "symlink": (lambda: special(tarfile.SYMTYPE), "damaged or forged"),
    "hard link": (lambda: special(tarfile.LNKTYPE), "damaged or forged"),
    "device": (lambda: special(tarfile.CHRTYPE), "damaged or forged"),
    "pipe": (lambda: special(tarfile.FIFOTYPE), "damaged or forged"),
    "huge": (lambda: archive({}, files={"a": {"bytes": 1 << 60, "sha256": ""}}), "--max-gb"),
    "huge header": (huge_header, "no packed run"),
}  # fmt: skip


def test_a_run_is_packed_and_comes_back_under_another_name(run: Run, capsys: Output):
    Path("drive").mkdir()
    (run.path / ".best.partial").mkdir()
    assert main(["pack", "--run", "ask", "--to", "drive"]) == 0
    (run.path / ".best.partial").rmdir()
    assert main(["unpack", "drive/ask.tar.zst", "--run", "again"]) == 0
    assert files(Run(Path("runs/again"))) == files(run)
    assert "finetune --run again --resume" in capsys.readouterr().err


def test_a_run_goes_to_a_url_and_comes_back(run: Run, capsys: Output):
    try:
        assert main(["pack", "--run", "ask", "--to", "memory://shelf"]) == 0
        assert main(["pack", "--run", "ask", "--to", "memory://shelf/ask.tar.zst"]) == 1
        assert "is there already" in capsys.readouterr().err
        assert main(["unpack", "memory://shelf/ask.tar.zst", "--run", "again"]) == 0
        assert fsspec.filesystem("memory").ls("/shelf", detail=False) == ["/shelf/ask.tar.zst"]
    finally:
        fsspec.filesystem("memory").rm("/shelf", recursive=True)
    assert files(Run(Path("runs/again"))) == files(run)


def test_what_is_there_or_in_use_is_left_alone(run: Run, capsys: Output):
    assert main(["pack", "--run", "ask", "--to", "a.tar.zst"]) == 0
    before = Path("a.tar.zst").read_bytes()
    for words, said in (
        (["pack", "--run", "ask", "--to", "a.tar.zst"], "is there already"),
        (["unpack", "a.tar.zst"], "There is a run 'ask' already"),
        (["pack", "--run", "ask", "--to", "none"], "is no folder"),
        (["pack", "--run", "none", "--to", "."], "There is no run"),
        (["pack", "--run", "ask", "--to", "nosuch://a"], "nosuch"),
        (["unpack", "none.tar.zst"], "cannot be read"),
        (["unpack", "memory://none.tar.zst"], "There is nothing at"),
        (["unpack", "a.tar.zst", "--run", "../x"], "name"),
    ):
        assert main(words) == 1
        assert said in capsys.readouterr().err
    with run_lock(run):
        assert main(["pack", "--run", "ask", "--to", "b.tar.zst"]) == 1
        assert "Another process works on the run" in capsys.readouterr().err
    assert Path("a.tar.zst").read_bytes() == before
    assert not Path("b.tar.zst").exists()


def test_links_and_pickles_in_a_run_are_not_packed(run: Run, capsys: Output):
    (run.path / "link").symlink_to("/etc/passwd")
    assert main(["pack", "--run", "ask", "--to", "."]) == 1
    (run.path / "link").unlink()
    (run.path / "a.pkl").write_bytes(b"")
    assert main(["pack", "--run", "ask", "--to", "."]) == 1
    said = capsys.readouterr().err
    assert "is a link" in said
    assert "could run code" in said
    assert not Path("ask.tar.zst").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_a_sentence_and_leaves_nothing(name: str, capsys: Output):
    make, said = HOSTILE[name]
    Path("a.tar.zst").write_bytes(make())
    assert main(["unpack", "a.tar.zst", "--run", "new"]) == 1
    error = capsys.readouterr().err
    assert any(words in error for words in said.split("|")), error
    assert [path.name for path in Path("runs").iterdir()] == ["ask"]


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_changed_byte_is_never_unpacked_unseen(data: st.DataObject):
    good = archive(WHOLE)
    place = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[place] = data.draw(st.integers(0, 255))
    Path("a.tar.zst").write_bytes(changed)
    status = main(["unpack", "a.tar.zst", "--run", "new"])
    unpacked = Run(Path("runs/new"))
    if status == 0:
        assert files(unpacked) == WHOLE
        assert main(["runs", "rm", "new", "--yes"]) == 0
    else:
        assert not unpacked.path.exists()
