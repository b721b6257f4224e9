import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from plugins.builtin.settings import SETTINGS
from plugins.values import parse_value, show_value, type_value
from plugins.vocabulary import Option, Setting

TEMPERATURE = next(setting for setting in SETTINGS if setting.name == "temperature")
TRUNCATE = next(setting for setting in SETTINGS if setting.name == "truncate")
FREE_TEXT = Option(name="text", kind="text", help="Free text.")


def setting(**changes: object) -> Setting:
    told: dict[str, object] = {"name": "it", "kind": "text", "help": "It.", "default": ""}
    return Setting(**(told | changes))  # pyright: ignore[reportArgumentType] - a test's shorthand


@pytest.mark.parametrize(
    "raw", ["hot", "-1", "99", -1, 99, "", "nan", "inf", None, True, [], "1e999"]
)
def test_a_number_out_of_bounds_or_of_no_kind_is_refused_in_one_sentence(raw: object):
    with pytest.raises(UserError, match=r"^temperature must be a number between 0 and 5, not "):
        parse_value(TEMPERATURE, raw)


@pytest.mark.parametrize(("raw", "value"), [("0.9", 0.9), (0, 0.0), (" 1 ", 1.0), (2.5, 2.5)])
def test_a_number_is_read_from_text_or_number(raw: object, value: float):
    assert parse_value(TEMPERATURE, raw) == value


@pytest.mark.parametrize(("raw", "value"), [("3", 3), (3.0, 3), ("-2", -2)])
def test_a_whole_number_may_be_given_as_text_or_as_a_round_number(raw: object, value: int):
    parsed = parse_value(setting(kind="integer", default=0), raw)
    assert parsed == value
    assert isinstance(parsed, int)


@pytest.mark.parametrize("raw", ["2.5", "two", 2.5, True])
def test_a_whole_number_is_not_rounded(raw: object):
    with pytest.raises(UserError, match="a whole number"):
        parse_value(setting(kind="integer", default=0), raw)


@pytest.mark.parametrize(
    ("raw", "value"), [("yes", True), ("OFF", False), ("true", True), (False, False), (1, True)]
)
def test_a_boolean_is_read_from_the_words_people_type(raw: object, value: bool):
    assert parse_value(setting(kind="boolean", default=False), raw) is value


def test_a_boolean_takes_no_other_word():
    with pytest.raises(UserError, match='must be true or false, not "maybe"'):
        parse_value(setting(kind="boolean", default=False), "maybe")


def test_text_longer_than_its_maximum_is_refused_without_repeating_all_of_it():
    with pytest.raises(UserError, match="at most 100 characters") as caught:
        parse_value(TRUNCATE, "x" * 5000)
    assert len(str(caught.value)) < 200


def test_a_choice_must_be_one_of_the_choices():
    with pytest.raises(UserError, match=r'must be one of a, b, not "c"\.'):
        parse_value(setting(choices=("a", "b")), "c")


def test_an_admin_types_a_line_break_as_an_escape():
    assert parse_value(TRUNCATE, r"end\n\t\\n") == "end\n\t\\n"


def test_text_from_a_file_and_free_text_are_taken_as_they_are():
    assert parse_value(TRUNCATE, r"a\n", typed=False) == r"a\n"
    assert parse_value(FREE_TEXT, r'print("\n")') == r'print("\n")'


def test_half_a_character_which_nothing_can_store_is_replaced():
    assert parse_value(FREE_TEXT, "a \ud800 b") == "a ? b"


@given(st.text(max_size=100))
def test_what_is_shown_of_a_text_can_be_typed_again(text: str):
    assert parse_value(setting(), type_value(text)) == text


@given(st.floats(0, 5).map(lambda number: round(number, 4)))
def test_what_is_shown_of_a_number_can_be_typed_again(number: float):
    assert parse_value(TEMPERATURE, type_value(number)) == pytest.approx(number, abs=1e-5)


def test_text_is_shown_in_quotes_on_one_line():
    assert show_value("a\nb") == '"a\\nb"'
    assert show_value(True) == "true"
    assert show_value(0.7) == "0.7"
    assert show_value(100_000) == "100000"
