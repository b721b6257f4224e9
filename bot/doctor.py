"""`python -m bot doctor`: what works and what does not, a line each."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from backends import UserError
from bot.config import Config
from bot.config_file import Loaded, secrets_of
from bot.core import make_pool
from bot.data_dir import DATABASE, data_directory
from bot.store import open_store
from plugins.registry import Registry


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    what: str
    fine: bool
    sentence: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.fine else 'FAIL'}  {self.what}: {self.sentence}"


async def examine(loaded: Loaded, source: Path) -> AsyncIterator[Finding]:
    """Check plugins, tokens, database and models of a configuration that parsed."""
    config, registry = loaded.config, loaded.registry
    yield Finding("config", fine=True, sentence=f"{source} is valid.")
    yield _platforms(config)
    for key, secret in secrets_of(config).items():
        yield Finding(key, fine=True, sentence=f"is in {secret}.")
    yield Finding("plugins", fine=True, sentence=", ".join(one.name for one in registry.plugins))
    for problem in registry.problems:
        yield Finding("plugins", fine=False, sentence=problem)
    yield await _database(config)
    async for finding in _models(config, registry):
        yield finding


def _platforms(config: Config) -> Finding:
    sections = {"web": config.web, "discord": config.discord, "slack": config.slack}
    enabled = [name for name, section in sections.items() if section.enabled]
    sentence = ", ".join(enabled) or "none is enabled, so run has nothing to serve."
    return Finding("platforms", fine=bool(enabled), sentence=sentence)


async def _database(config: Config) -> Finding:
    try:
        with data_directory(config.data_dir) as folder:
            async with open_store(folder / DATABASE):
                return Finding("database", fine=True, sentence=f"{folder / DATABASE} opens.")
    except UserError as problem:
        return Finding("database", fine=False, sentence=str(problem))


async def _models(config: Config, registry: Registry) -> AsyncIterator[Finding]:
    pool = make_pool(config, registry)
    try:
        names = await pool.names()
        if not names:
            nothing = f"none is configured, and {config.models_dir} holds none."
            yield Finding("models", fine=False, sentence=nothing)
        for name in names:
            try:
                info = await pool.info(name)
            except UserError as problem:
                yield Finding(f"model {name}", fine=False, sentence=str(problem))
            else:
                yield Finding(f"model {name}", fine=True, sentence=f"opens with {info.backend}.")
        for where, model in _chosen(config):
            try:
                await pool.check(model)
            except UserError as problem:
                yield Finding(where, fine=False, sentence=str(problem))
    finally:
        await pool.aclose()


def _chosen(config: Config) -> Iterator[tuple[str, str]]:
    """Yield where the config chooses a model, and which."""
    places = {"settings": config.settings}
    places |= {f'channels."{name}"': values for name, values in config.channels.items()}
    for where, values in places.items():
        if model := values.get("model"):
            yield f"{where}.model", str(model)
