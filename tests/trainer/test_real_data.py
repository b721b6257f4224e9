"""Real files are read for what they are. They lie beside the checkout, not in it."""

from pathlib import Path

import pytest

from trainer.sniff import Kind, sniff
from trainer.texts import Texts

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data sets in {DATA}")


@pytest.mark.parametrize(
    ("name", "kind", "header", "texts"),
    [
        ("ask_titles_16000.csv", Kind.CSV, True, 16_000),  # 71 titles have a line break inside
        ("tinyshakespeare.txt", Kind.TEXT, False, None),
        ("irc_ubuntu/2004-12-25.train-c.raw.txt", Kind.LINES, False, 1_500),
    ],
)
def test_a_real_file_is_taken_for_what_it_is(
    name: str, kind: Kind, header: bool, texts: int | None
):
    layout = sniff(DATA / name)
    assert (layout.kind, layout.header) == (kind, header)
    found = list(Texts(DATA / name, layout))
    if texts is None:
        assert "".join(found) == (DATA / name).read_text(encoding="utf-8")
    else:
        assert len(found) == texts


def test_of_a_table_of_many_columns_the_first_is_read_and_said_to_be():
    layout = sniff(DATA / "reddit_top1000" / "AskReddit.csv")
    assert (layout.kind, layout.columns) == (Kind.CSV, 21)
