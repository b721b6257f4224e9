"""All that the plugins offer, as one plain object that is built whole and then handed over."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from backends import BackendFactory
from plugins.vocabulary import Command, Filter, Setting

Lifecycle = Callable[[], Awaitable[None] | None]
"""A plugin's `startup` or `shutdown`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What one plugin offers."""

    name: str
    source: str
    """Where it comes from: `built in`, a distribution with its version, or a file."""
    commands: tuple[Command, ...] = ()
    settings: tuple[Setting, ...] = ()
    filters: tuple[Filter, ...] = ()
    backends: Mapping[str, BackendFactory] = field(default_factory=dict[str, BackendFactory])
    startup: Lifecycle | None = None
    shutdown: Lifecycle | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """The plugins that loaded, and a sentence for each one that did not."""

    plugins: tuple[Plugin, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All settings, in the order of their registration."""
        return tuple(setting for plugin in self.plugins for setting in plugin.settings)

    @property
    def filters(self) -> tuple[Filter, ...]:
        """All filters, in the order in which they work."""
        return tuple(found for plugin in self.plugins for found in plugin.filters)

    @property
    def backends(self) -> Mapping[str, BackendFactory]:
        """All backends by name."""
        return {name: made for plugin in self.plugins for name, made in plugin.backends.items()}

    @property
    def commands(self) -> tuple[Command, ...]:
        """All commands; those that take settings with the per-request ones as options."""
        return tuple(
            with_settings(command, self.settings)
            for plugin in self.plugins
            for command in plugin.commands
        )


def with_settings(command: Command, settings: tuple[Setting, ...]) -> Command:
    """Add the per-request settings to a command's options, if it takes settings.

    An option of the command's own goes before a setting of the same name.
    """
    if not command.takes_settings:
        return command
    own = {option.name for option in command.options}
    further = tuple(one for one in settings if one.per_request and one.name not in own)
    return replace(command, options=command.options + further)
