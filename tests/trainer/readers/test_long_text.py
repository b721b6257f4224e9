import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.readers.reading import read, write
from trainer.readers.long_text import STRETCH


@given(text=st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=99))
def test_the_stretches_of_long_text_joined_are_the_text(
    tmp_path_factory: pytest.TempPathFactory, text: str
):
    content = "Go.\n" + text * 200
    stretches = read(write(tmp_path_factory.mktemp("txt") / "a.txt", content), format="text")
    assert "".join(stretches) == content
    assert all(len(stretch) < 2 * STRETCH for stretch in stretches)
