"""The bot without its platforms: database, models and router, opened and closed together."""

import inspect
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.config import Config
from bot.context import Workshop
from bot.cooldown import Cooldowns
from bot.data_dir import DATABASE, data_directory
from bot.memory import MB
from bot.metrics import Metrics
from bot.models import ModelPool
from bot.router import Router
from bot.settings import SettingsBook
from bot.store import Store, open_store
from bot.waiting_line import Lines
from plugins.registry import Lifecycle, Registry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Core:
    """Everything that serves calls."""

    config: Config
    registry: Registry
    store: Store
    models: ModelPool
    settings: SettingsBook
    """`settings.at(request)` tells what counts in a place."""
    router: Router
    lines: Lines
    metrics: Metrics


@asynccontextmanager
async def open_core(config: Config, registry: Registry) -> AsyncGenerator[Core]:
    """Open the core, and close it when the block ends.

    Raises `UserError` where the data directory or its database cannot be used.
    """
    with data_directory(config.data_dir) as folder:
        async with open_store(folder / DATABASE) as store:
            core = _build(config, registry, store)
            try:
                for plugin in registry.plugins:
                    await _call(plugin.name, "startup", plugin.startup)
                yield core
            finally:
                for plugin in reversed(registry.plugins):
                    await _call(plugin.name, "shutdown", plugin.shutdown)
                await core.models.aclose()


def _build(config: Config, registry: Registry, store: Store) -> Core:
    models = make_pool(config, registry)
    lines = Lines(config.limits.concurrent, config.limits.waiting)
    metrics = Metrics(lines, models)
    shop = Workshop(registry, models, lines, Cooldowns(), metrics, store)
    declared = {setting.name: setting for setting in registry.settings}
    book = SettingsBook(declared, config, store, models)
    router = Router(shop, book, store, config.limits)
    return Core(config, registry, store, models, book, router, lines, metrics)


def make_pool(config: Config, registry: Registry) -> ModelPool:
    """The models of a configuration, none of them open yet."""
    limits = config.limits
    return ModelPool(
        config.models_dir,
        config.models,
        registry.backends,
        memory=limits.memory_mb * MB,
        unload_after=limits.unload_after,
    )


async def _call(plugin: str, hook: str, function: Lifecycle | None) -> None:
    """Call a plugin's hook under a guard: one that fails is logged, and the bot goes on."""
    try:
        outcome = function() if function else None
        if inspect.isawaitable(outcome):
            await outcome
    except Exception:
        log.exception("%s of the plugin %s failed", hook, plugin)
