"""Which value counts where: the layers of settings, from built in to this one request."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches

from backends import UserError, Value
from bot.config import Config
from bot.models import ModelPool
from bot.store import Place, Store, Stored
from plugins.values import parse_value
from plugins.vocabulary import Decision, Request, Scope, Setting

log = logging.getLogger(__name__)

SCOPES: tuple[Scope, ...] = ("guild", "category", "channel", "thread")
"""The stored layers; later ones win."""

Layer = Mapping[str, Decision]
"""What one layer decides, by key."""


def place_of(request: Request, scope: Scope) -> Place | None:
    """Where a value of this scope is stored for a request; `None` where it has no such scope."""
    ids: dict[Scope, tuple[str | None, ...]] = {
        "guild": (request.guild,),
        "category": (request.guild, request.category),
        "channel": (request.guild or "", request.channel),
        "thread": (request.guild or "", request.channel, request.thread),
    }
    parts = [part for part in ids[scope] if part is not None]
    if len(parts) < len(ids[scope]):
        return None
    return Place(request.platform, scope, "/".join(parts))


def decide(layers: Sequence[Layer], key: str) -> Decision | None:
    """The decision of the last layer that has one."""
    return next((layer[key] for layer in reversed(layers) if key in layer), None)


@dataclass(frozen=True, slots=True)
class SettingsBook:
    """All that is needed to resolve the settings of any place."""

    declared: Mapping[str, Setting]
    config: Config
    store: Store
    models: ModelPool

    async def at(
        self, request: Request, overrides: Mapping[str, Value] | None = None
    ) -> "PlaceSettings":
        """The settings of a request's place, with the request's own values as the last layer."""
        settings = PlaceSettings(self, request, overrides or {})
        await settings.refresh()
        return settings

    def find(self, key: str) -> Setting:
        """A setting by its name. Raises `UserError`, with what may have been meant."""
        if key in self.declared:
            return self.declared[key]
        close = get_close_matches(key, self.declared, n=1)
        meant = f"Did you mean {close[0]}?" if close else "/settings show lists them all."
        raise UserError(f"There is no setting {key}. {meant}")

    async def layers(self, request: Request, overrides: Mapping[str, Value]) -> list[Layer]:
        """All layers for a request, the lowest first."""
        built_in = {key: setting.default for key, setting in self.declared.items()}
        upper = [
            self._fitting("config", self.config.settings),
            self._fitting("config", self.config.channels.get(_address(request), {})),
            *await self._stored(request),
            self._fitting("request", overrides),
        ]
        lower = self._fitting("built-in", built_in)
        model = await self._model([lower, *upper])
        return [lower | {"model": model}, await self._card(str(model.value)), *upper]

    async def _model(self, layers: Sequence[Layer]) -> Decision:
        """Which model writes: where none is chosen and there is only one, it is that one."""
        found = decide(layers, "model") or Decision(key="model", value="", layer="built-in")
        if found.value or len(names := await self.models.names()) != 1:
            return found
        return replace(found, value=names[0])

    async def _card(self, model: str) -> Layer:
        if not model:
            return {}
        try:
            defaults = await self.models.defaults(model)
        except UserError as problem:
            # Generating with this model will say so; showing the settings must still work.
            log.info("no defaults of model %s: %s", model, problem)
            return {}
        return self._fitting("model card", {k: v for k, v in defaults.items() if k != "model"})

    async def _stored(self, request: Request) -> list[Layer]:
        places = [place for scope in SCOPES if (place := place_of(request, scope))]
        rows = await self.store.settings(places)
        return [self._stored_layer(place, rows) for place in places]

    def _stored_layer(self, place: Place, rows: Sequence[Stored]) -> Layer:
        here = {row.key: row for row in rows if row.place == place}
        fitting = self._fitting(place.scope, {key: row.value for key, row in here.items()})
        return {
            key: replace(decision, set_by=here[key].set_by, set_at=here[key].set_at)
            for key, decision in fitting.items()
        }

    def _fitting(self, layer: str, values: Mapping[str, Value | None]) -> dict[str, Decision]:
        """Leave out what is no longer declared or no longer fits: a plugin may have changed."""
        decisions: dict[str, Decision] = {}
        for key, raw in values.items():
            try:
                value = parse_value(self.find(key), raw, typed=False)
            except UserError as problem:
                log.warning("a value of the layer %s does not count: %s", layer, problem)
            else:
                decisions[key] = Decision(key=key, value=value, layer=layer)
        return decisions


class PlaceSettings:
    """The settings of the place a request came from (`plugins.vocabulary.Settings`)."""

    def __init__(
        self, book: SettingsBook, request: Request, overrides: Mapping[str, Value]
    ) -> None:
        self._book = book
        self._request = request
        self._overrides = overrides
        self._layers: Sequence[Layer] = ()

    async def refresh(self) -> None:
        """Read what is stored."""
        self._layers = await self._book.layers(self._request, self._overrides)

    def declared(self) -> Sequence[Setting]:
        """All settings there are, plugins' included, in the order to show them."""
        return tuple(self._book.declared.values())

    def value(self, key: str) -> Value:
        """The value that counts for this request. Raises `UserError` for an unknown key."""
        return self.decision(key).value

    def decision(self, key: str) -> Decision:
        """The value together with the layer that decided it. Raises `UserError` likewise."""
        self._book.find(key)
        decision = decide(self._layers, key)
        if decision is None:
            raise UserError(f"The setting {key} has no default. Its plugin is wrong.")
        return decision

    async def set(self, key: str, raw: object, scope: Scope = "channel") -> Decision:
        """Check and store a value for this place. Raises `UserError` where it does not fit."""
        setting = self._book.find(key)
        value = parse_value(setting, raw)
        if setting.complete == "model" and value:
            await self._book.models.check(str(value))
        stored = Stored(
            place=self._place(scope),
            key=key,
            value=value,
            set_by=self._request.user_name or self._request.user,
            set_at=datetime.now(UTC),
        )
        await self._book.store.set(stored)
        await self.refresh()
        return Decision(
            key=key, value=value, layer=scope, set_by=stored.set_by, set_at=stored.set_at
        )

    async def reset(self, key: str, scope: Scope = "channel") -> Decision:
        """Forget the stored value; what then counts is returned."""
        self._book.find(key)
        await self._book.store.reset(self._place(scope), key)
        await self.refresh()
        return self.decision(key)

    def _place(self, scope: Scope) -> Place:
        if place := place_of(self._request, scope):
            return place
        have = [one for one in SCOPES if place_of(self._request, one)]
        raise UserError(f"There is no {scope} here. Choose one of: {', '.join(have)}.")


def _address(request: Request) -> str:
    """How the config names a channel."""
    return f"{request.platform}:{request.channel}"
