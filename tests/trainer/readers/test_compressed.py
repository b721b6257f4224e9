import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from backends import UserError
from tests.trainer.readers.reading import read, write
from trainer.readers import compressed

TITLES = "".join(f"What would you do with {n} nice apples?\n" for n in range(3000))
PACKERS = [gzip.compress, bz2.compress, lzma.compress, zstandard.compress]


@pytest.mark.parametrize("pack", PACKERS)
def test_a_compressed_file_is_read_like_what_is_in_it_whatever_its_name(
    tmp_path: Path, pack: Callable[[bytes], bytes]
):
    assert "".join(read(write(tmp_path / "a", pack(TITLES.encode())))) == TITLES


@pytest.mark.parametrize("pack", PACKERS)
def test_parts_that_were_packed_one_by_one_are_read_to_the_last(
    tmp_path: Path, pack: Callable[[bytes], bytes]
):
    data = pack(TITLES.encode()) + pack(b"The last.\n")
    assert read(write(tmp_path / "a", data))[-1] == "The last.\n"


@pytest.mark.parametrize("pack", PACKERS[:3])
def test_a_file_that_is_cut_off_is_refused_with_a_sentence(
    tmp_path: Path, pack: Callable[[bytes], bytes]
):
    data = pack(TITLES.encode())
    with pytest.raises(UserError, match="damaged or cut off"):
        read(write(tmp_path / "a", data[: len(data) // 2]))


@pytest.mark.parametrize("pack", PACKERS)
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path, pack: Callable[[bytes], bytes]):
    data = bytearray(pack(TITLES.encode()))
    data[len(data) // 2 :] = b"\xff" * (len(data) - len(data) // 2)
    with pytest.raises(UserError, match="damaged or cut off"):
        read(write(tmp_path / "a", bytes(data)))


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bomb_is_refused_after_the_first_megabytes(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compressed, "FREE", 1 << 21)
    path = write(tmp_path / "a", pack(b"Ha ha ha.\n" * 1_000_000))
    with pytest.raises(UserError, match="grows more than"):
        read(path)
