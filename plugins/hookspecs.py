"""The hooks that a plugin may implement. Each registers things, once, when the bot starts.

A plugin marks its functions with `@hookimpl`, imported from here or made with pluggy alone:
`hookimpl = pluggy.HookimplMarker("chinwag")`. A hook may leave out the argument it does not need.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import pluggy

from backends import BackendFactory
from plugins.vocabulary import Command, Filter, Setting

PROJECT = "chinwag"
"""pluggy's project name, and the group of the entry points."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class RegisterBackend(Protocol):
    """The callback that `register_backends` is given."""

    def __call__(self, name: str, factory: BackendFactory) -> None:
        """Offer a backend under a name that the config's `[models]` can use."""
        ...


@hookspec
def register_backends(register: RegisterBackend) -> None:
    """Call `register(name, factory)` for each backend. Import heavy libraries in the factory."""


@hookspec
def register_commands(register: Callable[[Command], None]) -> None:
    """Call `register(command)` for each command."""


@hookspec
def register_filters(register: Callable[[Filter], None]) -> None:
    """Call `register(filter)` for each filter; they work in the order of their registration."""


@hookspec
def register_settings(register: Callable[[Setting], None]) -> None:
    """Call `register(setting)` for each value that every channel is to have."""


@hookspec
def startup() -> Awaitable[None] | None:
    """Called once when the bot has started, before it serves; what it returns is awaited."""


@hookspec
def shutdown() -> Awaitable[None] | None:
    """Called once when the bot has stopped serving; what it returns is awaited."""
