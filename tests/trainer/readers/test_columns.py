import pytest

from backends import UserError
from trainer.readers.columns import choice_told, pick

NAMES = ["id", "Title", "body", "score"]


@pytest.mark.parametrize(
    ("asked", "index"),
    [("", 1), ("body", 2), ("TITLE", 1), ("1", 0), ("4", 3)],
)
def test_a_column_is_asked_for_by_name_or_number_or_has_a_usual_name(asked: str, index: int):
    assert pick(NAMES, asked) == index


def test_without_a_usual_name_it_is_the_first():
    assert pick(["a", "b"], "") == 0


@pytest.mark.parametrize("asked", ["0", "5", "9" * 9999, "²", "-1", "none"])
def test_a_column_that_there_is_not_is_refused_with_those_that_there_are(asked: str):
    with pytest.raises(UserError, match="there are id, Title, body, score"):
        pick(NAMES, asked)


def test_of_very_many_columns_some_are_listed():
    with pytest.raises(UserError, match="and 988 more"):
        pick([str(n) for n in range(1000)], "none")


def test_how_to_choose_another_is_said_where_nobody_chose():
    assert "--column NAME reads another" in choice_told(NAMES, 1, "")
    assert "--column" not in choice_told(NAMES, 1, "Title")
    assert choice_told(["only"], 0, "") == ""
