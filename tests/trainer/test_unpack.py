import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends import UserError
from tests.trainer.runs_on_disk import make_run
from trainer.pack import pack
from trainer.packed import Entry, member, write_manifest
from trainer.runs import Run
from trainer.unpack import unpack

ROOM = 10**9


def archive(path: Path, names: dict[str, bytes], *members: tarfile.TarInfo) -> Path:
    """A packed file with a true manifest of `names`, which are written, and further members."""
    entries = {
        name: Entry(len(data), hashlib.sha256(data).hexdigest()) for name, data in names.items()
    }
    manifest = write_manifest("a", entries)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(member("manifest.json", len(manifest)), io.BytesIO(manifest))
        for name, data in names.items():
            tar.addfile(member(f"run/{name}", len(data)), io.BytesIO(data))
        for info in members:
            tar.addfile(info)
    path.write_bytes(zstandard.compress(buffer.getvalue()))
    return path


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    info = member(name, 0)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "a//x", "./x", "a\\x", "x.pkl", "a/x.PT", "x.bin"]
)
def test_paths_that_lead_out_and_pickles_are_refused(name: str, tmp_path: Path):
    file = archive(tmp_path / "f", {"config.toml": b"", name: b"x"})
    with pytest.raises(UserError, match="refused"):
        unpack(file, tmp_path / "runs", None, ROOM)
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_plain_files_are_taken(kind: bytes, tmp_path: Path):
    file = archive(tmp_path / "f", {"config.toml": b""}, special("run/link", kind))
    with pytest.raises(UserError, match="refused"):
        unpack(file, tmp_path / "runs", None, ROOM)
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_extended_header_is_not_read_into_memory(kind: bytes, tmp_path: Path):
    info = member("x", 8 * 10**9)
    info.type = kind
    file = archive(tmp_path / "f", {"config.toml": b""}, info)
    with pytest.raises(UserError, match="huge header"):
        unpack(file, tmp_path / "runs", None, ROOM)
    assert not list(tmp_path.glob("runs/*"))


def test_more_than_is_allowed_and_names_that_exist_are_refused(tmp_path: Path):
    file = archive(tmp_path / "f", {"config.toml": b"x" * 100})
    with pytest.raises(UserError, match="--max-gb"):
        unpack(file, tmp_path / "runs", None, 99)
    unpack(file, tmp_path / "runs", None, 100)
    with pytest.raises(UserError, match="exists"):
        unpack(file, tmp_path / "runs", None, 100)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_damaged_file_is_a_sentence_and_leaves_nothing(tmp_path: Path, data: st.DataObject):
    """Cut short anywhere, or with any byte changed, it is refused or comes back whole."""
    run = Run(tmp_path / "source" / "a")
    whole = tmp_path / "whole"
    if not whole.exists():
        pack(make_run(tmp_path / "source", "a"), whole)
    content = bytearray(whole.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "damaged").write_bytes(content)
    name = f"b{len(list(tmp_path.glob('runs/*')))}"
    try:
        other = unpack(tmp_path / "damaged", tmp_path / "runs", name, ROOM)
    except UserError:
        assert not (tmp_path / "runs" / name).exists()
    else:
        assert (other.path / "config.toml").read_bytes() == run.config.read_bytes()
