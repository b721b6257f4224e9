"""A running core for tests: the real router, store and settings, with the echo backend."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from bot.config import Config
from bot.core import Core, open_core
from bot.platform import Call
from plugins.loader import load_plugins
from plugins.registry import Registry
from plugins.vocabulary import Request
from tests.fakes.surface import RecordingSurface

ECHO: Mapping[str, object] = {
    "models": {"echo": {"backend": "echo"}},
    "settings": {"model": "echo", "include_prefix": False},
}
"""One model that writes back what it is given."""

_numbers = count(1)


@asynccontextmanager
async def running_core(
    folder: Path, config: Mapping[str, object] = ECHO, registry: Registry | None = None
) -> AsyncGenerator[Core]:
    """Open a core whose data and models lie in `folder`, unless the config says otherwise."""
    places = {"data_dir": folder / "data", "models_dir": folder / "models"}
    made = Config.model_validate({**places, **config})
    async with open_core(made, registry or load_plugins()) as core:
        yield core


def request(**changes: Any) -> Request:
    """A request with an id of its own, from Ada in a channel of a guild."""
    told: dict[str, Any] = {
        "id": f"event-{next(_numbers)}",
        "platform": "web",
        "guild": "guild",
        "channel": "lab",
        "user": "1",
        "user_name": "Ada",
    }
    return Request(**{**told, **changes})


async def ask(
    core: Core, command: str, /, *, of: Request | None = None, **options: object
) -> RecordingSurface:
    """Call a command and wait for the end of its answer."""
    surface = RecordingSurface()
    call = Call(request=of or request(), command=command, options=options)
    await core.router.dispatch(call, surface)
    return surface
