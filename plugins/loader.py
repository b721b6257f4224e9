"""Finds the plugins and loads each under a guard: a bad one is named with its reason and left out.

Plugins come through three doors, in this order: the built-in ones, entry points of the group
`chinwag` of installed distributions, and single `.py` files in the operator's plugin folder.
"""

import importlib
import importlib.util
import logging
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pluggy

from backends import BackendFactory, UserError
from plugins import hookspecs
from plugins.builtin import MODULES
from plugins.registry import Lifecycle, Plugin, Registry
from plugins.vocabulary import Command, Filter, Setting

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9_-]{1,32}")
_COMMAND = re.compile(r"[a-z0-9_-]{1,32}( [a-z0-9_-]{1,32})?")
_HELP = 100
"""The most characters of a help sentence (Discord's limit)."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A plugin that is not loaded yet."""

    name: str
    source: str
    load: Callable[[], object]


def load_plugins(folder: Path | None = None) -> Registry:
    """Load all plugins there are; those that cannot be loaded stand in `problems`."""
    registry = Registry()
    for found in (*_built_in(), *_installed(), *_in_folder(folder)):
        registry = _add(registry, found)
    return registry


def _built_in() -> Iterator[_Found]:
    for module in MODULES:
        yield _Found(module.rpartition(".")[2], "built in", _importer(module))


def _importer(module: str) -> Callable[[], ModuleType]:
    return lambda: importlib.import_module(module)


def _installed() -> Iterator[_Found]:
    for point in sorted(entry_points(group=hookspecs.PROJECT), key=lambda point: point.name):
        yield _Found(point.name, _distribution(point), point.load)


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _in_folder(folder: Path | None) -> Iterator[_Found]:
    if folder is not None and folder.is_dir():
        for path in sorted(folder.glob("*.py")):
            yield _Found(path.stem, str(path), _file_loader(path))


def _file_loader(path: Path) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        name = f"chinwag_plugin_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise UserError(f"{path.name} is no Python file that can be imported.")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses and pickling look a module up by its name while it is being made.
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return load


def _add(registry: Registry, found: _Found) -> Registry:
    try:
        plugin = _load(found, registry)
    except UserError as problem:
        reason = str(problem)
    # A plugin is somebody else's program: whatever it raises, even SystemExit, must not end ours.
    except (Exception, SystemExit) as problem:
        log.debug("plugin %s", found.name, exc_info=True)
        reason = f"{type(problem).__name__}: {problem}"
    else:
        return Registry((*registry.plugins, plugin), registry.problems)
    sentence = f"Plugin {found.name} ({found.source}) is left out: {reason}"
    log.error("%s", sentence)
    return Registry(registry.plugins, (*registry.problems, sentence))


def _load(found: _Found, registry: Registry) -> Plugin:
    if any(plugin.name == found.name for plugin in registry.plugins):
        raise UserError("another plugin has the same name. Rename one of the two.")
    # A manager for each plugin: what one breaks cannot touch the others, and none is global.
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    name = manager.register(found.load(), found.name)
    manager.check_pending()
    if name is None or not manager.get_hookcallers(manager.get_plugin(name)):
        raise UserError("it implements no hook. Mark its functions with @hookimpl.")
    return _Collector(registry).collect(found, manager)


class _Collector:
    """Takes what one plugin registers, and refuses what does not fit beside the others."""

    def __init__(self, registry: Registry) -> None:
        self._others = registry
        self._commands: list[Command] = []
        self._settings: list[Setting] = []
        self._filters: list[Filter] = []
        self._backends: dict[str, BackendFactory] = {}

    def collect(self, found: _Found, manager: pluggy.PluginManager) -> Plugin:
        manager.hook.register_backends(register=self._add_backend)
        manager.hook.register_settings(register=self._add_setting)
        manager.hook.register_filters(register=self._add_filter)
        manager.hook.register_commands(register=self._add_command)
        return Plugin(
            name=found.name,
            source=found.source,
            commands=tuple(self._commands),
            settings=tuple(self._settings),
            filters=tuple(self._filters),
            backends=self._backends,
            startup=_implementation(manager, "startup"),
            shutdown=_implementation(manager, "shutdown"),
        )

    def _add_backend(self, name: str, factory: BackendFactory) -> None:
        _refuse_bad("backend", name, _NAME, [*self._others.backends, *self._backends])
        self._backends[name] = factory

    def _add_setting(self, setting: Setting) -> None:
        taken = [one.name for one in (*self._others.settings, *self._settings)]
        _refuse_bad("setting", setting.name, _NAME, taken)
        _refuse_long_help("setting", setting.name, setting.help)
        if setting.default is None:
            raise UserError(f"the setting {setting.name} has no default. Give it one.")
        self._settings.append(setting)

    def _add_filter(self, one: Filter) -> None:
        taken = [other.name for other in (*self._others.filters, *self._filters)]
        _refuse_bad("filter", one.name, _NAME, taken)
        self._filters.append(one)

    def _add_command(self, command: Command) -> None:
        taken = [one.name for one in (*self._others.commands, *self._commands)]
        _refuse_bad("command", command.name, _COMMAND, taken)
        _refuse_group_and_command(command.name, taken)
        _refuse_long_help("command", command.name, command.help)
        _refuse_bad_options(command)
        self._commands.append(command)


def _refuse_bad(what: str, name: str, rule: re.Pattern[str], taken: list[str]) -> None:
    if not rule.fullmatch(name):
        raise UserError(
            f"the {what} name {name!r} must be of lower-case letters, digits, - and _, "
            "at most 32 characters."
        )
    if name in taken:
        raise UserError(f"there is already a {what} {name}. Choose another name.")


def _refuse_group_and_command(name: str, taken: list[str]) -> None:
    """On Discord a name is either a command or a group of them."""
    for other in taken:
        if other.startswith(f"{name} ") or name.startswith(f"{other} "):
            raise UserError(f"the command {name} cannot stand beside {other}. Choose another name.")


def _refuse_bad_options(command: Command) -> None:
    names: list[str] = []
    for option in command.options:
        _refuse_bad("option", option.name, _NAME, names)
        _refuse_long_help("option", option.name, option.help)
        names.append(option.name)
    required = [option.required for option in command.options]
    if required != sorted(required, reverse=True):
        raise UserError(f"the command {command.name} must list its required options first.")


def _refuse_long_help(what: str, name: str, sentence: str) -> None:
    if not 1 <= len(sentence) <= _HELP:
        raise UserError(f"the help of the {what} {name} must have 1 to {_HELP} characters.")


def _implementation(manager: pluggy.PluginManager, hook: str) -> Lifecycle | None:
    found = getattr(manager.hook, hook).get_hookimpls()
    return found[0].function if found else None
