"""`python -m bot optouts`: the opt-out list, as the trainer's `--opt-out` reads it."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path

from bot.data_dir import DATABASE, data_directory
from bot.store import open_store


async def opt_out_lines(data_dir: Path) -> AsyncGenerator[str]:
    """Yield a JSON object a line: `platform`, `user`, `name`.

    Raises `UserError` where the data directory is in use or its database cannot be read.
    """
    with data_directory(data_dir) as folder:
        async with open_store(folder / DATABASE) as store:
            for platform, user, name in await store.opted_out():
                yield json.dumps({"platform": platform, "user": user, "name": name})
