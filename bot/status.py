"""`python -m bot status`: how a running bot is, told by itself and shown in a terminal."""

from collections.abc import Collection, Sequence

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from backends import Load, UserError
from bot.config import Config
from bot.core import Core
from bot.memory import MB
from bot.platform import Platform
from bot.recent import Recent, quantile
from bot.waiting_line import WaitingLine

STATUS = "/status"
"""Where the running bot tells it."""

_TIMEOUT = aiohttp.ClientTimeout(total=5)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class Spread(_Told):
    """Seconds, lately; `None` where nothing was measured yet."""

    median: float | None = None
    p95: float | None = None


class ModelStatus(_Told):
    """One model that was asked since the start, or is open."""

    model: str
    open: bool
    running: int
    """Prompts being written."""
    waiting: int
    """Prompts that wait in the line."""
    slots: int | None
    slots_active: int
    tokens_per_second: float
    time_to_first_token: Spread
    between_tokens: Spread
    cache_usage: float
    memory_bytes: int


class Status(_Told):
    """How a bot is."""

    data_dir: str
    """Which bot it is."""
    uptime: float
    """Seconds."""
    loop_lag: float
    """Seconds that the event loop comes late."""
    stopping: bool
    platforms: dict[str, bool]
    """Whether users reach the bot there."""
    queue_depth: int
    """Prompts that wait in all lines."""
    models: list[ModelStatus]


def describe(core: Core, platforms: Sequence[Platform], *, uptime: float, lag: float) -> Status:
    """Look at a core."""
    lines, loads = core.lines.all(), core.models.loads()
    idle = WaitingLine(1, 0)
    return Status(
        data_dir=str(core.config.data_dir.resolve()),
        uptime=uptime,
        loop_lag=lag,
        stopping=core.router.draining,
        platforms={one.name: one.ready for one in platforms},
        queue_depth=sum(line.waiting for line in lines.values()),
        models=[
            _model(name, lines.get(name, idle), loads.get(name), core.metrics.recent[name])
            for name in sorted({*lines, *loads})
        ],
    )


def _model(name: str, line: WaitingLine, load: Load | None, recent: Recent) -> ModelStatus:
    now = load or Load()
    return ModelStatus(
        model=name,
        open=load is not None,
        running=line.running,
        waiting=line.waiting,
        slots=now.slots,
        slots_active=now.running,
        tokens_per_second=recent.tokens_per_second,
        time_to_first_token=_spread(recent.first_token),
        between_tokens=_spread(recent.between_tokens),
        cache_usage=now.cache_usage,
        memory_bytes=now.memory_bytes,
    )


def _spread(seconds: Collection[float]) -> Spread:
    return Spread(median=quantile(seconds, 0.5), p95=quantile(seconds, 0.95))


async def ask_status(config: Config) -> Status:
    """Ask the bot that runs with this configuration. Raises `UserError` where none answers."""
    health = config.health
    if not health.enabled or not health.port:
        raise UserError(
            "A running bot tells how it is only with `enabled = true` and a fixed `port` in the "
            "[health] section of the config."
        )
    url = _address(health.host, health.port) + STATUS
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http, http.get(url) as answer:
            status = Status.model_validate_json(await answer.text())
    except (TimeoutError, aiohttp.ClientConnectionError) as error:
        raise UserError(
            f"No bot answers at {url}. Start it with `python -m bot run`; if it runs, its log says "
            "whether that port was taken."
        ) from error
    except (aiohttp.ClientError, ValidationError, UnicodeDecodeError) as error:
        raise UserError(f"What answers at {url} is no chinwag of this version.") from error
    if status.data_dir != str(config.data_dir.resolve()):
        raise UserError(
            f"The bot at {url} is another one (its data_dir is {status.data_dir}). Give each bot "
            "on this machine a `port` of its own in the [health] section."
        )
    return status


def _address(host: str, port: int) -> str:
    """Where a server that listens on `host` is found from the same machine."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not bound
    return f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"


def show(status: Status) -> str:
    """A status as a page of text."""
    up = ", ".join(
        f"{name} {'ready' if ok else 'NOT READY'}" for name, ok in status.platforms.items()
    )
    head = [
        f"platforms  {up}{' (the bot is stopping)' if status.stopping else ''}",
        f"uptime     {_duration(status.uptime)}",
        f"waiting    {status.queue_depth}",
    ]
    if not status.models:
        return "\n".join([*head, "", "No model was used yet."])
    rows = [_HEADINGS, *(_row(model) for model in status.models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([*head, "", *table])


_HEADINGS = (
    "model", "running", "waiting", "slots", "tokens/s", "first token", "between tokens", "cache",
    "memory",
)  # fmt: skip


def _row(model: ModelStatus) -> tuple[str, ...]:
    slots = "-" if model.slots is None else f"{model.slots_active}/{model.slots}"
    return (
        model.model,
        str(model.running),
        str(model.waiting),
        slots if model.open else "closed",
        f"{model.tokens_per_second:.1f}",
        _seconds(model.time_to_first_token),
        _seconds(model.between_tokens),
        f"{model.cache_usage:.0%}",
        f"{model.memory_bytes / MB:,.0f} MB",
    )


def _seconds(spread: Spread) -> str:
    """Median and 95th percentile in milliseconds, or seconds where they are long."""
    if spread.median is None or spread.p95 is None:
        return "-"
    return f"{_short(spread.median)} / {_short(spread.p95)}"


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = (
        [f"{days} d"] * bool(days)
        + [f"{hours} h"] * bool(hours)
        + [f"{minutes} min"] * bool(minutes)
    )
    return " ".join(parts[:2]) or f"{rest} s"
