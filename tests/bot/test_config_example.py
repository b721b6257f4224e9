"""`config.example.toml` names every key there is, with its sentence and its default."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from bot.config import Config, ModelConfig, WebChannelConfig
from bot.config_file import check_config
from bot.secret import Secret
from plugins.builtin.settings import SETTINGS

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")
ALL_IN_FORCE = tomllib.loads(re.sub(r"^#(?=[a-z\[])", "", TEXT, flags=re.MULTILINE))
"""The example with every key that stands behind a # put in force."""
COMMENTS = " ".join(re.findall(r"^# (.*)$", TEXT, flags=re.MULTILINE))

NAMED = (ModelConfig, WebChannelConfig, Secret)
"""Tables of whose names or keys not all can be there."""


def sections(model: type[BaseModel], table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Every key of the models, with what the example says for it."""
    for name, field in model.model_fields.items():
        yield name, table.get(name)
        inner = [
            one
            for one in (field.annotation, *get_args(field.annotation))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        value = table.get(name)
        if inner and isinstance(value, dict) and inner[0] not in NAMED:
            yield from sections(inner[0], value)


def descriptions() -> Iterator[str]:
    models = [Config, ModelConfig, WebChannelConfig]
    models += [
        field.annotation
        for field in Config.model_fields.values()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    ]
    for model in models:
        yield from (field.description or "none" for field in model.model_fields.values())
    yield from (setting.help for setting in SETTINGS)


def test_every_key_is_there():
    missing = [name for name, value in sections(Config, ALL_IN_FORCE) if value is None]
    assert missing == []


def test_every_key_of_a_named_table_is_there():
    assert set(ALL_IN_FORCE["models"]["mine"]) == set(ModelConfig.model_fields)
    assert set(ALL_IN_FORCE["web"]["channels"]["lab"]) == set(WebChannelConfig.model_fields)


def test_every_setting_is_there_with_its_default():
    assert ALL_IN_FORCE["settings"] == {setting.name: setting.default for setting in SETTINGS}


@pytest.mark.parametrize("sentence", sorted(set(descriptions())))
def test_every_key_has_its_sentence(sentence: str):
    assert sentence in COMMENTS


def test_as_it_stands_it_changes_nothing(tmp_path: Path):
    assert check_config(tomllib.loads(TEXT), "the example", Path()).config == Config()


def test_it_is_valid_with_every_key_in_force(tmp_path: Path):
    assert check_config(ALL_IN_FORCE, "the example", tmp_path).config.models["mine"].path
