import pytest

from backends import UserError
from trainer.readers.records import key_of, names_told, value_at

POSTS = [{"id": 1, "data": {"title": "Why?", "user": {"name": "Ann"}}, "kind": "post"}]


def test_a_key_of_a_usual_name_is_found_and_else_the_outermost_text():
    assert key_of([{"id": "x", "text": "Why?"}], "") == "text"
    assert key_of(POSTS, "") == "kind"


def test_a_key_inside_a_record_has_dots():
    assert key_of(POSTS, "data.title") == "data.title"
    assert value_at(POSTS[0], "data.title") == "Why?"
    assert value_at({"a.b": "Why?"}, "a.b") == "Why?"
    assert value_at(POSTS[0], "data.title.more") is None


def test_strings_alone_need_no_key():
    assert key_of(["Why?"], "") == ""
    assert value_at("Why?", "") == "Why?"


@pytest.mark.parametrize("asked", ["none", "id", "data"])
def test_a_key_without_text_is_refused_with_those_that_have(asked: str):
    with pytest.raises(UserError, match=r"there are kind, data\.title, data\.user\.name"):
        key_of(POSTS, asked)


def test_records_without_any_text_are_refused():
    with pytest.raises(UserError, match="No record has a text"):
        key_of([{"id": 1}, 2, None], "")


def test_which_key_is_read_is_said_where_there_are_several():
    assert "key 'kind' (--column KEY reads another), not data.title" in names_told(
        POSTS, "kind", ""
    )
    assert names_told([{"text": "Why?"}], "text", "") == ""
