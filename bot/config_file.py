"""Reads a config file and says everything that is wrong with it, at once and by key."""

import copy
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from backends import UserError
from bot.config import Config
from bot.secret import Secret
from plugins.loader import load_plugins
from plugins.registry import Registry
from plugins.values import parse_value
from plugins.vocabulary import Setting

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""What TOML needs no quotes for."""

_PLATFORMS = ("web", "console", "discord", "slack")


class ConfigError(UserError):
    """The configuration is wrong. The message has a line for each problem."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([f"The configuration {source} is wrong:", *problems]))


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that holds, and the plugins that it was checked against."""

    config: Config
    registry: Registry


def load_config(path: Path, base: Path | None = None) -> Loaded:
    """Read a config file; its relative paths start from `base`, by default from its folder.

    Raises `ConfigError` with all its problems.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), [f"it cannot be read: {error.strerror}."]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"it is not TOML: {error}."]) from error
    return check_config(raw, str(path), base or path.parent)


def check_config(raw: Mapping[str, object], source: str, base: Path) -> Loaded:
    """Check a configuration against its model and the plugins. Raises `ConfigError`."""
    config, problems = _parse(raw)
    folder = raw.get("plugins_dir")
    plugins = base / (folder if isinstance(folder, str) else Config().plugins_dir)
    registry = load_plugins(plugins)
    problems += _value_problems(raw, registry.settings)
    problems += _model_problems(config, registry)
    problems += _secret_problems(config)
    if problems:
        raise ConfigError(source, problems)
    return Loaded(_anchored(config, base), registry)


def secrets_of(config: Config) -> dict[str, Secret]:
    """The secrets that the enabled platforms need, by key."""
    found: dict[str, Secret] = {}
    if config.discord.enabled:
        found["discord.token"] = config.discord.token
    if config.slack.enabled:
        found["slack.bot_token"] = config.slack.bot_token
        if config.slack.mode == "socket":
            found["slack.app_token"] = config.slack.app_token
        else:
            found["slack.signing_secret"] = config.slack.signing_secret
    if config.web.enabled and config.web.token:
        found["web.token"] = config.web.token
    return found


def _parse(raw: Mapping[str, object]) -> tuple[Config, list[str]]:
    """Read what can be read, so that the rest is checked too, and say what cannot."""
    try:
        return Config.model_validate(raw), []
    except ValidationError as error:
        # Never the input itself: it may hold a secret that was put into the wrong place.
        errors = error.errors(include_input=False)
    left = copy.deepcopy(dict(raw))
    for one in errors:
        _remove(left, one["loc"][:-1] if one["type"] == "missing" else one["loc"])
    try:
        config = Config.model_validate(left)
    except ValidationError:
        config = Config()
    return config, [_sentence(one) for one in errors]


def _remove(table: object, location: Sequence[int | str]) -> None:
    """Take out the innermost table or value of a location that the file really has."""
    for part in location:
        inner = cast(dict[int | str, object], table).get(part) if isinstance(table, dict) else None
        if not isinstance(inner, dict) or part == location[-1]:
            if isinstance(table, dict):
                cast(dict[int | str, object], table).pop(part, None)
            return
        table = cast(object, inner)


def _sentence(error: ErrorDetails) -> str:
    # pydantic says so where the key itself is wrong, not what stands there.
    key = ".".join(_bare(str(part)) for part in error["loc"] if part != "[key]")
    if error["type"] == "missing":
        return f"{key} is missing."
    if error["type"] == "extra_forbidden":
        known = _keys_beside(error["loc"])
        return f"{key}: there is no such key. {_meant(str(error['loc'][-1]), known)}"
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{key}: {said}."


def _bare(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else f'"{key}"'


def _keys_beside(location: Sequence[int | str]) -> list[str]:
    """The keys that a table has, found by walking the models to where the wrong one stands."""
    model: type[BaseModel] | None = Config
    for part in location[:-1]:
        model = _model_at(model, str(part))
    return list(model.model_fields) if model else []


def _model_at(model: type[BaseModel] | None, part: str) -> type[BaseModel] | None:
    field = model.model_fields.get(part) if model else None
    # Below a table of named tables, such as [models.NAME], the name is a step of its own.
    candidates = [model] if field is None else [field.annotation, *get_args(field.annotation)]
    for one in candidates:
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _meant(word: str, known: Sequence[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known)}."


def _value_problems(raw: Mapping[str, object], settings: Sequence[Setting]) -> list[str]:
    """What is wrong in `[settings]` and `[channels]`, also where the rest does not parse."""
    declared = {setting.name: setting for setting in settings}
    problems: list[str] = []
    for table, values in _value_tables(raw):
        for key, value in values.items():
            if key not in declared:
                meant = _meant(key, list(declared))
                problems.append(f"{table}.{key}: there is no such setting. {meant}")
            elif problem := _value_problem(declared[key], value):
                problems.append(f"{table}.{problem}")
    channels = raw.get("channels")
    names = cast(dict[str, object], channels) if isinstance(channels, dict) else {}
    return problems + [problem for name in names if (problem := _channel_problem(name))]


def _value_tables(raw: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    settings, channels = raw.get("settings"), raw.get("channels")
    if isinstance(settings, dict):
        yield "settings", cast(dict[str, object], settings)
    if isinstance(channels, dict):
        for name, values in cast(dict[str, object], channels).items():
            if isinstance(values, dict):
                yield f'channels."{name}"', cast(dict[str, object], values)


def _value_problem(setting: Setting, value: object) -> str | None:
    try:
        parse_value(setting, value, typed=False)
    except UserError as problem:
        return str(problem)
    return None


def _channel_problem(name: str) -> str | None:
    platform, colon, channel = name.partition(":")
    if colon and channel and platform in _PLATFORMS:
        return None
    return (
        f'channels."{name}": a channel is named as "platform:channel", with one of '
        f"{', '.join(_PLATFORMS)} and the channel's id."
    )


def _model_problems(config: Config, registry: Registry) -> list[str]:
    return [
        f"models.{name}.backend: there is no backend {model.backend}. "
        f"{_meant(model.backend, sorted(registry.backends))}"
        for name, model in config.models.items()
        if model.backend not in registry.backends
    ]


def _secret_problems(config: Config) -> list[str]:
    problems: list[str] = []
    for key, secret in secrets_of(config).items():
        try:
            secret.read()
        except UserError as problem:
            problems.append(f"{key}: {problem}")
    return problems or _exposure_problems(config)


def _exposure_problems(config: Config) -> list[str]:
    """What is wrong with how the page would be open to others; the token can be read."""
    if not config.web.enabled:
        return []
    from bot.web.guard import check_exposure

    try:
        check_exposure(
            config.web.host, config.web.token and config.web.token.read().get_secret_value()
        )
    except UserError as problem:
        return [f"web: {problem}"]
    return []


def _anchored(config: Config, base: Path) -> Config:
    """The same with its relative paths starting from a folder."""
    models = {
        name: model.model_copy(update={"path": base / model.path}) if model.path else model
        for name, model in config.models.items()
    }
    return config.model_copy(
        update={
            "data_dir": base / config.data_dir,
            "models_dir": base / config.models_dir,
            "plugins_dir": base / config.plugins_dir,
            "models": models,
        }
    )
