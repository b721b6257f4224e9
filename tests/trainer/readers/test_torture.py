"""Whatever a file holds, every reader gives texts or a sentence, and holds little of it."""

import os
import tracemalloc
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from backends import UserError
from tests.trainer.readers.reading import settings, write
from tests.trainer.readers.torture import FILES, MIB, torture
from trainer import preview
from trainer.files import gather
from trainer.readers import compressed, csv_rows
from trainer.readers.data_file import look
from trainer.readers.registry import READERS
from trainer.settings import Settings
from trainer.texts import Texts

FORMATS = ["auto", *READERS]
STRUCTURED = st.one_of(
    st.binary(max_size=400),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text('{}[]",:\\ud8a0 \n%<|>', max_size=200).map(str.encode),
    st.binary(max_size=99).map(lambda data: b"PAR1" + data + b"PAR1"),
    st.binary(max_size=99).map(lambda data: b"PK\3\4" + data),
    st.binary(max_size=99).map(lambda data: b"\x1f\x8b\x08\0" + data),
    st.binary(max_size=99).map(lambda data: b"\x28\xb5\x2f\xfd" + data),
)
"""Bytes at random, and such as begin like something."""


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch):
    """Files of a few megabytes are then past the limits."""
    monkeypatch.setattr(compressed, "FREE", 4 * MIB)
    monkeypatch.setattr(csv_rows, "LONGEST_ROW", MIB // 2)


def texts_or_sentence(asked: Settings) -> list[str] | str:
    """Gather, show and read as `finetune` does."""
    try:
        texts = Texts.of(asked)
        preview.show(texts, lambda _: None)
        return list(texts)
    except UserError as error:
        return str(error)


def is_fine(outcome: list[str] | str) -> bool:
    """Whether all texts can be written and are not blank, or there is one readable sentence."""
    if isinstance(outcome, str):
        return 20 < len(outcome) < 1_000 and outcome.endswith(".") and "Traceback" not in outcome
    return all(text.encode() and text.strip() for text in outcome)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_gives_texts_or_a_sentence(tmp_path: Path, name: str, form: str):
    path = torture(tmp_path, name, "")
    outcome = texts_or_sentence(settings(path, format=form))
    assert is_fine(outcome), outcome if isinstance(outcome, str) else outcome[:3]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".zip"])
@pytest.mark.parametrize("name", FILES)
def test_a_name_that_lies_is_no_harm(tmp_path: Path, name: str, suffix: str):
    outcome = texts_or_sentence(settings(torture(tmp_path, name, suffix)))
    assert is_fine(outcome), outcome if isinstance(outcome, str) else outcome[:3]


@pytest.mark.parametrize("form", FORMATS)
@hypothesis_settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=STRUCTURED, suffix=st.sampled_from(["", ".txt", ".csv", ".tsv", ".json", ".jsonl"]))
def test_whatever_the_bytes_every_reader_gives_texts_or_a_sentence(
    tmp_path: Path, form: str, content: bytes, suffix: str
):
    outcome = texts_or_sentence(settings(write(tmp_path / f"a{suffix}", content), format=form))
    assert is_fine(outcome), outcome if isinstance(outcome, str) else outcome[:3]


def test_a_folder_of_all_of_them_is_read_without_those_that_cannot_be(tmp_path: Path):
    for name in FILES:
        if "bomb" not in name and not name.startswith("columns"):
            torture(tmp_path, name, ".txt")
    parts, skipped = gather(settings(tmp_path))
    assert parts
    assert skipped["empty files"] == 1
    for part in parts:
        with suppress(UserError):
            assert is_fine(list(Texts(settings(part.path), [part], Counter())))


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("unit", [b"word ", b'"a\n",', b"["])
def test_a_file_without_end_is_never_held_whole(tmp_path: Path, form: str, unit: bytes):
    size = 24 * MIB
    file = look(write(tmp_path / "a", unit * (size // len(unit))))
    tracemalloc.start()
    with suppress(UserError), file.sentences():
        reader = READERS[form]
        for _ in islice(reader.read(file, settings(file.path), Counter()), 30):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path):
    path = write(tmp_path / "a.txt", "secret\n")
    path.chmod(0)
    assert "cannot be read" in str(texts_or_sentence(settings(path)))
