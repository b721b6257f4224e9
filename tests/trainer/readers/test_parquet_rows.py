from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backends import UserError
from tests.trainer.readers.reading import chosen, notes, read, write


def table(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=700)
    return path


def test_a_column_of_strings_is_read_whatever_the_file_is_called(tmp_path: Path):
    titles = [f"What is {n}?" for n in range(3000)]
    path = table(tmp_path / "a.data", n=list(range(3000)), title=titles, by=["Ann"] * 3000)
    assert chosen(path) == "parquet"
    assert read(path) == titles
    assert read(path, column="by")[:2] == ["Ann", "Ann"]
    assert "column 'title'" in notes(path)


def test_strings_may_be_kept_in_a_dictionary_and_may_be_missing(tmp_path: Path):
    dropped: Counter[str] = Counter()
    words = pa.array(["Why?", None, "How?"]).dictionary_encode()
    assert read(table(tmp_path / "a.parquet", text=words), dropped) == ["Why?", "How?"]
    assert dropped == {"without a text": 1}


def test_a_table_without_strings_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no column of strings"):
        read(table(tmp_path / "a.parquet", n=[1, 2]))


@pytest.mark.parametrize("keep", [4, 50, 500, -10])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, keep: int):
    data = table(tmp_path / "a.parquet", text=[f"What is {n}?" for n in range(99)]).read_bytes()
    with pytest.raises(UserError, match="damaged parquet"):
        read(write(tmp_path / "b.parquet", data[:keep]))
