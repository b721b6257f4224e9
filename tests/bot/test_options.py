import pytest

from backends import UserError
from bot.options import given_settings, parse_options
from plugins.loader import load_plugins

COMMANDS = {command.name: command for command in load_plugins().commands}


def test_a_setting_that_is_not_given_is_no_value_for_this_request():
    options = parse_options(COMMANDS["generate"], {"text": "x", "n": "2"})
    assert options == {"text": "x", "n": 2}
    assert given_settings(COMMANDS["generate"], options) == {"n": 2}


def test_an_option_that_is_no_setting_has_its_default():
    options = parse_options(COMMANDS["settings reset"], {"key": "n"})
    assert options == {"key": "n", "scope": "channel"}


def test_none_is_not_given():
    assert parse_options(COMMANDS["generate"], {"text": None}) == {}


def test_an_empty_text_is_given():
    assert parse_options(COMMANDS["generate"], {"prefix": ""}) == {"prefix": ""}


def test_a_required_option_that_lacks_is_named_with_what_it_takes():
    with pytest.raises(UserError, match=r"/settings set needs value \(text\): The new value"):
        parse_options(COMMANDS["settings set"], {"key": "n"})


def test_a_command_without_options_says_so():
    with pytest.raises(UserError, match="It takes no options"):
        parse_options(COMMANDS["about"], {"x": 1})
