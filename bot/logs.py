"""The log on standard error: for a reader at a terminal, as JSON elsewhere, never with secrets."""

import json
import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TextIO

from bot.config import LogConfig

_REDACTED = "***"
_CHATTY = ("discord", "slack_bolt", "slack_sdk", "aiosqlite", "aiohttp", "asyncio")
"""Libraries whose debug lines hold tokens or drown ours."""


class _Redacting(logging.Formatter):
    """Takes secrets out of the whole line, traceback included."""

    def __init__(self, inner: logging.Formatter, secrets: Sequence[str]) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        line = self._inner.format(record)
        for secret in self._secrets:
            line = line.replace(secret, _REDACTED)
        return line


class _Json(logging.Formatter):
    """One object a line: time (UTC), level, logger, message, and a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def start_log(config: LogConfig, secrets: Sequence[str] = (), to: TextIO | None = None) -> None:
    """Send the whole process's log to one stream, standard error by default."""
    stream = to or sys.stderr
    plain = config.format == "text" or (config.format == "auto" and stream.isatty())
    shape = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Redacting(shape if plain else _Json(), secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
