import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from trainer.readers import splitting


@given(
    text=st.text("ab|\n", max_size=60),
    separator=st.sampled_from(["|", "||", "\n|\n", "ab", "\n\n"]),
    piece=st.integers(1, 7),
)
def test_the_texts_are_those_of_a_split_of_the_whole(text: str, separator: str, piece: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splitting, "PIECE", piece)
        found = list(splitting.split(io.StringIO(text), re.compile(re.escape(separator))))
    assert found == (text + "\n").split(separator)


def test_a_text_without_end_is_refused_before_it_is_read_whole():
    with pytest.raises(UserError, match="longer than"):
        list(splitting.split(io.StringIO("x" * 1_200_000), re.compile("%")))
