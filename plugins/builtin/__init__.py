"""The plugins that every bot has. They use the same hooks as anybody's."""

MODULES = (
    "plugins.builtin.backends",
    "plugins.builtin.settings",
    "plugins.builtin.generate",
    "plugins.builtin.configure",
    "plugins.builtin.models",
    "plugins.builtin.optout",
    "plugins.builtin.about",
)
"""The modules to load, in this order."""
