"""The options of a call, checked against what its command declares."""

from collections.abc import Mapping
from difflib import get_close_matches

from backends import UserError, Value
from plugins.values import expectation, parse_value
from plugins.vocabulary import Command, Setting


def parse_options(command: Command, raw: Mapping[str, object]) -> dict[str, Value]:
    """Check every option that was given, and fill in the defaults of the others.

    A setting's default is another layer's matter: those not given stay out.
    Raises `UserError` for an unknown, a missing or a wrong one.
    """
    given = {name: value for name, value in raw.items() if value is not None}
    _refuse_unknown(command, given)
    values: dict[str, Value] = {}
    for option in command.options:
        if option.name in given:
            values[option.name] = parse_value(option, given[option.name])
        elif option.required:
            raise UserError(
                f"/{command.name} needs {option.name} ({expectation(option)}): {option.help}"
            )
        elif option.default is not None and not isinstance(option, Setting):
            values[option.name] = option.default
    return values


def given_settings(command: Command, options: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the options that are settings, given for this one request."""
    settings = {option.name for option in command.options if isinstance(option, Setting)}
    return {name: value for name, value in options.items() if name in settings}


def _refuse_unknown(command: Command, given: Mapping[str, object]) -> None:
    known = [option.name for option in command.options]
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            takes = f"It takes: {', '.join(known)}." if known else "It takes no options."
            meant = f"Did you mean {close[0]}?" if close else takes
            raise UserError(f"/{command.name} has no option {name}. {meant}")
