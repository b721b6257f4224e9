"""Real files are read for what they are. They lie beside the checkout, not in it."""

from pathlib import Path

import pytest

from tests.trainer.readers.reading import chosen, notes, settings
from trainer.texts import Texts

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data sets in {DATA}")


@pytest.mark.parametrize(
    ("name", "kind", "texts"),
    [
        ("ask_titles_16000.csv", "csv", 16_000),  # 71 titles have a line break inside
        ("tinyshakespeare.txt", "text", None),
        ("question_titles.tsv.xz", "csv", 268_980),
        ("top_reddit_posts.csv", "csv", 999),  # one title is blank
    ],
)
def test_a_real_file_is_taken_for_what_it_is(name: str, kind: str, texts: int | None):
    path = DATA / name
    assert chosen(path) == kind
    found = list(Texts.of(settings(path)))
    if texts is None:
        assert "".join(found) == path.read_text(encoding="utf-8")
    else:
        assert len(found) == texts


def test_of_a_table_of_21_columns_the_titles_are_read_and_said_to_be():
    path = DATA / "reddit_top1000" / "AskReddit.csv"
    assert "column 'title'" in notes(path)
    assert len(list(Texts.of(settings(path)))) == 1_000
