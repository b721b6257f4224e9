"""Typed commands: what is named goes where it is named, and text stays as it was typed."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from bot.typed import Typed, parse, understand
from plugins.vocabulary import Command, Context, Option, Piece


async def nothing(_: Context) -> AsyncIterator[Piece]:
    yield Piece("")


def command(name: str, *options: Option) -> Command:
    return Command(name=name, help="For the tests.", run=nothing, options=options)


def option(name: str, *, required: bool = False) -> Option:
    return Option(name=name, kind="text", help="For the tests.", required=required)


COMMANDS = (
    command(
        "generate", option("text"), option("temperature"), option("top_k"), option("n"),
        option("prefix"),
    ),
    command("settings show", option("key")),
    command("settings set", option("key", required=True), option("value", required=True),
            option("scope")),
    command("about"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("generate", Typed("generate")),
        ("/generate Once", Typed("generate", {"text": "Once"})),
        ("  Generate\tOnce", Typed("generate", {"text": "Once"})),
        ("generate\nROMEO:\n  hi", Typed("generate", {"text": "ROMEO:\n  hi"})),
        (
            "generate --temperature 0.9 --n 3 some  text",
            Typed("generate", {"temperature": "0.9", "n": "3", "text": "some  text"}),
        ),
        (
            "generate temperature=0.9 some text",
            Typed("generate", {"temperature": "0.9", "text": "some text"}),
        ),
        (
            "generate --top-k=5 --prefix 'a \"b' c",
            Typed("generate", {"top_k": "5", "prefix": 'a "b', "text": "c"}),
        ),
        ('generate --prefix "" x', Typed("generate", {"prefix": "", "text": "x"})),
        (
            "generate \u2014n 2 --prefix “a b” x",
            Typed("generate", {"n": "2", "prefix": "a b", "text": "x"}),
        ),
        (
            "generate some text --n 3 --top_k 5",
            Typed("generate", {"text": "some text", "n": "3", "top_k": "5"}),
        ),
        ("generate --text=abc --n 3", Typed("generate", {"text": "abc", "n": "3"})),
        ("settings set temperature 0.9", Typed("settings set", {
            "key": "temperature", "value": "0.9"})),
        ("SETTINGS  set prefix  Once upon", Typed("settings set", {
            "key": "prefix", "value": "Once upon"})),
        ('settings set prefix --scope guild --value "a b "', Typed("settings set", {
            "key": "prefix", "scope": "guild", "value": "a b "})),
        ("settings set prefix a b --scope guild", Typed("settings set", {
            "key": "prefix", "value": "a b", "scope": "guild"})),
        ("settings show", Typed("settings show")),
        ("settings show n", Typed("settings show", {"key": "n"})),
    ],
)  # fmt: skip
def test_named_options_are_read_and_the_rest_goes_to_the_required_or_the_first(
    line: str, expected: Typed
):
    assert parse(line, COMMANDS) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"quoted" it\'s',
        "x=3 is not an option",
        "He said --wait",
        "--wait, he said",
        "\u2014 he said",
        "\u2014Hola said --n",
        "a && b < c > d",
        "trailing space ",
        "the first --nothing 3",
    ],
)
def test_text_that_only_resembles_an_option_stays_text(text: str):
    assert parse(f"generate {text}", COMMANDS).options == {"text": text}


@given(st.text(min_size=1).filter(str.strip))
def test_after_two_hyphens_any_text_is_kept_to_the_letter(text: str):
    assert parse(f"generate --n 3 -- {text}", COMMANDS).options == {"n": "3", "text": text}


@given(st.text(alphabet=st.characters(exclude_characters="-=\u2014"), min_size=1))
def test_text_without_dashes_and_equals_signs_keeps_spelling_and_inner_spacing(text: str):
    given_options = parse(f"generate {text}", COMMANDS).options
    assert given_options == ({"text": text.lstrip()} if text.strip() else {})


@given(st.text(alphabet=st.characters(exclude_characters='"')))
def test_a_quoted_value_is_kept_to_the_letter(value: str):
    line = f'generate --prefix "{value}" text'
    assert parse(line, COMMANDS).options == {"prefix": value, "text": "text"}


@given(st.text())
def test_any_line_is_read_or_refused_with_a_sentence(line: str):
    try:
        said = parse(line, COMMANDS).command
    except UserError as error:
        said = str(error)
    assert said in {known.name for known in COMMANDS} or said.endswith(("?", "."))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "Type a command: `generate`"),
        ("genrate x", "There is no command “genrate”. Did you mean `generate`?"),
        ("setings shw", "There is no command “setings”. Did you mean `settings s"),
        ("xyz", "There is no command “xyz”. There are: `generate`, "),
        ("settings", "settings needs a second word: `settings show`, `settings set`."),
        ("settings sett n 3", "Did you mean `settings set`?"),
        (
            "generate --temprature 0.9 x",
            "has no option “temprature”. Did you mean `--temperature`?",
        ),
        ("generate temprature=0.9 x", "has no option “temprature”. Did you mean `--temperature`?"),
        ("generate --zzz 1", "There are: `--text`, `--temperature`"),
        ("generate --n", "--n needs a value"),
        ("generate --n= 3", "--n needs a value"),
        ("generate --n 1 --n 2 x", "n is given twice"),
        ("generate --n 1 x --n 2", "n is given twice"),
        ("generate --text a b", "generate takes no text. Leave out “b”."),
        ("about you", "about takes no text. Leave out “you”."),
        ("about --n 3", "about has no option “n”. It takes none."),
    ],
)
def test_what_cannot_be_understood_is_refused_with_a_suggestion(line: str, sentence: str):
    with pytest.raises(UserError) as caught:
        parse(line, COMMANDS)
    assert sentence in str(caught.value)


def test_what_is_said_is_carried_on_unless_a_slash_makes_it_a_command():
    assert understand("about cats ", COMMANDS) == Typed("generate", {"text": "about cats "})
    assert understand(" /about", COMMANDS) == Typed("about")


def test_a_long_run_of_spaces_or_quotes_is_read_in_no_time():
    """Spelled as a size that quadratic work could not finish within the test's time limit."""
    for filler in (" ", '"', "-", "--x ", '--x "', "=", "a="):
        text = "x" + filler * 200_000 + "x"
        assert parse(f"generate -- {text}", COMMANDS).options == {"text": text}
        assert parse(f"generate {text}", COMMANDS).command == "generate"
