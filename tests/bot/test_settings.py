import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError, Value
from backends.model_directory import CARD
from bot.core import Core
from bot.settings import SCOPES, Layer, decide, place_of
from plugins.vocabulary import Decision, Scope
from tests.core import request, running_core

EVERYWHERE = request(category="cat", thread="thread")


def layer(name: str, values: Mapping[str, Value]) -> Layer:
    return {key: Decision(key=key, value=value, layer=name) for key, value in values.items()}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3), max_size=8))
def test_the_last_layer_that_has_a_value_decides(values: list[dict[str, Value]]):
    layers = [layer(str(number), one) for number, one in enumerate(values)]
    merged: dict[str, Value] = {}
    for one in values:
        merged |= one
    for key in "abc":
        found = decide(layers, key)
        assert (found.value if found else None) == merged.get(key)


async def value(core: Core, key: str, at: object = EVERYWHERE, **overrides: Value) -> Decision:
    return (await core.settings.at(at, overrides)).decision(key)  # pyright: ignore[reportArgumentType] - a request


async def test_every_layer_goes_before_the_one_below_it(tmp_path: Path):
    config = {
        "models": {"echo": {"backend": "echo"}},
        "settings": {"model": "echo", "n": 2},
        "channels": {"web:lab": {"n": 3}},
    }
    async with running_core(tmp_path, {"models": config["models"]}) as core:
        assert (await value(core, "n")).layer == "built-in"
    async with running_core(tmp_path, config) as core:
        assert (await value(core, "n")).value == 3
        assert (await value(core, "n", request(channel="other"))).value == 2
        for number, scope in enumerate(SCOPES, 10):
            settings = await core.settings.at(EVERYWHERE)
            await settings.set("n", number, scope)
            decided = await value(core, "n")
            assert (decided.layer, decided.value) == (scope, number)
        assert (await value(core, "n", n=64)).layer == "request"
        for scope in reversed(SCOPES):
            settings = await core.settings.at(EVERYWHERE)
            assert (await settings.reset("n", scope)).layer != scope
        assert (await value(core, "n")).layer == "config"


@pytest.mark.parametrize(
    ("scope", "elsewhere"),
    [
        ("guild", replace(EVERYWHERE, guild="other")),
        ("category", replace(EVERYWHERE, category="other")),
        ("channel", replace(EVERYWHERE, channel="other")),
        ("thread", replace(EVERYWHERE, thread=None)),
        ("channel", replace(EVERYWHERE, platform="slack")),
    ],
)
async def test_a_value_counts_in_its_place_only(tmp_path: Path, scope: Scope, elsewhere: object):
    async with running_core(tmp_path) as core:
        await (await core.settings.at(EVERYWHERE)).set("n", 9, scope)
        assert (await value(core, "n")).value == 9
        assert (await value(core, "n", elsewhere)).value == 1


async def test_a_value_of_the_channel_counts_in_its_threads(tmp_path: Path):
    async with running_core(tmp_path) as core:
        await (await core.settings.at(request())).set("n", 9)
        assert (await value(core, "n", request(thread="5"))).value == 9


async def test_a_decision_tells_who_set_it_and_when(tmp_path: Path):
    async with running_core(tmp_path) as core:
        stored = await (await core.settings.at(request())).set("temperature", "0.5")
        found = await value(core, "temperature", request())
        assert found == stored
        assert (found.set_by, found.layer) == ("Ada", "channel")
        assert found.set_at is not None
        assert found.set_at.tzinfo is not None


async def test_a_wrong_key_value_or_scope_is_refused_and_nothing_is_stored(tmp_path: Path):
    async with running_core(tmp_path) as core:
        settings = await core.settings.at(request(guild=None))
        for key, raw, scope, sentence in (
            ("temprature", 1, "channel", "Did you mean temperature"),
            ("temperature", "hot", "channel", 'not "hot"'),
            ("temperature", 1, "guild", "There is no guild here. Choose one of: channel"),
            ("temperature", 1, "thread", "There is no thread here"),
            ("model", "nowhere", "channel", "There is no model nowhere"),
        ):
            with pytest.raises(UserError, match=sentence):
                await settings.set(key, raw, scope)  # pyright: ignore[reportArgumentType] - scopes
        assert {settings.decision(one.name).layer for one in settings.declared()} <= {
            "built-in",
            "config",
        }


async def test_a_stored_value_that_no_longer_fits_does_not_count(tmp_path: Path):
    async with running_core(tmp_path) as core:
        settings = await core.settings.at(request())
        stored = await settings.set("temperature", 1)
        place = place_of(request(), "channel")
        assert place is not None
        (row,) = await core.store.settings([place])
        await core.store.set(replace(row, value=99))
        assert stored.value == 1
        assert (await value(core, "temperature", request())).layer == "built-in"


async def test_a_models_card_proposes_what_config_and_admins_can_change(
    tmp_path: Path, tiny_model: Path
):
    model = tmp_path / "models" / "tiny"
    shutil.copytree(tiny_model, model)
    card = json.loads((model / CARD).read_text())
    card["defaults"] = {"temperature": 0.3, "n": 2, "model": "other", "unknown": 1}
    (model / CARD).write_text(json.dumps(card))
    async with running_core(tmp_path, {"settings": {"n": 4}}) as core:
        temperature = await value(core, "temperature")
        assert (temperature.layer, temperature.value) == ("model card", 0.3)
        assert (await value(core, "n")).layer == "config"
        assert (await value(core, "model")).value == "tiny", "the only model there is"


async def test_a_broken_model_does_not_keep_settings_from_being_shown(tmp_path: Path):
    (tmp_path / "models" / "bad").mkdir(parents=True)
    (tmp_path / "models" / "bad" / CARD).write_text("{")
    async with running_core(tmp_path, {"settings": {"model": "bad"}}) as core:
        assert (await value(core, "temperature")).layer == "built-in"
