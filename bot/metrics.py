"""What is counted and timed around every model, as Prometheus metrics.

The names are vLLM's where it has one, behind our prefix, so that its dashboards need little change.
Times are measured where the bot reads a backend's stream, the same for every backend. Labels hold
the model's name and nothing of users, places or texts.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backends import Chunk, FinishReason, Load
from bot.models import ModelPool
from bot.recent import Recent
from bot.waiting_line import Lines

_PREFIX = "chinwag"
_MODEL = ("model_name",)

_HELP = {
    "time_to_first_token_seconds": "From the question, waiting included, to the first text.",
    "inter_token_latency_seconds": "Between two pieces of one text, nearly always tokens.",
    "e2e_request_latency_seconds": "From the question, waiting included, to the last text's end.",
    "generation_tokens": "Tokens written.",
    "prompt_tokens": "Tokens of prompts read.",
    "request_success": "Texts that ended, by why.",
    "num_requests_running": "Prompts being written.",
    "num_requests_waiting": "Prompts that wait in the line.",
    "slots": "Texts that the engine can write at once.",
    "slots_active": "Texts that the engine writes.",
    "slots_waiting": "Texts that wait for a slot of the engine.",
    "kv_cache_usage_perc": "Share of the key/value cache in use; 1 is all of it.",
    "model_memory_bytes": "What the model holds in this process.",
    "prefix_cache_queries": "Tokens of prompts looked for in the prefix cache.",
    "prefix_cache_hits": "Tokens of prompts found in the prefix cache.",
}

_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
    80, 160, 640,
)  # fmt: skip
_BETWEEN_TOKENS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5,
    7.5, 10, 20, 40, 80,
)  # fmt: skip
_WHOLE = (
    0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960,
)  # fmt: skip
"""Upper ends of the buckets, seconds: vLLM's, with shorter ones for small models."""

_REASONS: Mapping[FinishReason, str] = {"stop": "stop", "length": "length", "cancelled": "abort"}
"""Our reason to vLLM's `finished_reason`; it also has `error`."""


class Metrics:
    """Counts what models write (`watch`), and tells it (`text`, `recent`)."""

    def __init__(
        self, lines: Lines, models: ModelPool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self.recent = defaultdict[str, Recent](lambda: Recent(clock))
        """The last figures by model."""
        made = self._registry = CollectorRegistry()
        self._first = _histogram(made, "time_to_first_token_seconds", _FIRST_TOKEN)
        self._between = _histogram(made, "inter_token_latency_seconds", _BETWEEN_TOKENS)
        self._whole = _histogram(made, "e2e_request_latency_seconds", _WHOLE)
        self._written = _counter(made, "generation_tokens")
        self._read = _counter(made, "prompt_tokens")
        self._ended = _counter(made, "request_success", "finished_reason")
        made.register(_Now(lines, models))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    async def watch(
        self, model: str, chunks: AsyncIterator[Chunk], asked: float
    ) -> AsyncIterator[Chunk]:
        """Pass a prompt's chunks on, counted and timed; `asked` is when, on the same clock."""
        texts = defaultdict[int, _Text](_Text)
        outcome = "abort"  # where the reader leaves before the end
        try:
            async for chunk in chunks:
                self._time(model, texts, chunk, asked)
                self._count(model, texts[chunk.index], chunk)
                yield chunk
        except Exception:
            outcome = "error"
            raise
        finally:
            self._whole.labels(model).observe(self.clock() - asked)
            # Where not even a first piece came, how many texts there are to be is not known here.
            open_texts = sum(not text.ended for text in texts.values()) if texts else 1
            if open_texts:
                self._ended.labels(model, outcome).inc(open_texts)

    def _time(self, model: str, texts: Mapping[int, "_Text"], chunk: Chunk, asked: float) -> None:
        """Time a chunk that shows something against the one before, or against the question."""
        if not chunk.text:
            return
        now, recent = self.clock(), self.recent[model]
        if not any(text.shown for text in texts.values()):
            self._first.labels(model).observe(now - asked)
            recent.first_token.append(now - asked)
        before = texts[chunk.index].shown
        if before is not None:
            self._between.labels(model).observe(now - before)
            recent.between_tokens.append(now - before)
        texts[chunk.index].shown = now

    def _count(self, model: str, text: "_Text", chunk: Chunk) -> None:
        """Count a token for each piece as it comes, and what that left out at the end."""
        tokens = int(bool(chunk.text))
        text.counted += tokens
        if chunk.finish_reason is not None:
            text.ended = True
            self._ended.labels(model, _REASONS[chunk.finish_reason]).inc()
            if chunk.usage is not None:
                tokens += max(0, chunk.usage.completion_tokens - text.counted)
                # The n texts of a prompt share it.
                self._read.labels(model).inc(chunk.usage.prompt_tokens if not chunk.index else 0)
        self._written.labels(model).inc(tokens)
        self.recent[model].count(tokens)


@dataclass
class _Text:
    """What was seen of one text so far."""

    counted: int = 0
    shown: float | None = None
    """When its last piece came."""
    ended: bool = False


@dataclass(frozen=True)
class _Now(Collector):
    """What is asked of lines and models at the moment somebody looks."""

    lines: Lines
    models: ModelPool

    def collect(self) -> Iterator[Metric]:
        """Make the families anew, as the client library asks for them."""
        lines = self.lines.all().items()
        yield _gauge("num_requests_running", {name: line.running for name, line in lines})
        yield _gauge("num_requests_waiting", {name: line.waiting for name, line in lines})
        loads = self.models.loads()
        for name, of in _GAUGES.items():
            yield _gauge(name, {model: of(load) for model, load in loads.items()})
        for name, of in _COUNTERS.items():
            family = CounterMetricFamily(f"{_PREFIX}_{name}", _HELP[name], labels=_MODEL)
            for model, load in loads.items():
                family.add_metric([model], of(load))
            yield family


_GAUGES: Mapping[str, Callable[[Load], float | None]] = {
    "slots": lambda load: load.slots,
    "slots_active": lambda load: load.running,
    "slots_waiting": lambda load: load.waiting,
    "kv_cache_usage_perc": lambda load: load.cache_usage,
    "model_memory_bytes": lambda load: load.memory_bytes,
}
_COUNTERS: Mapping[str, Callable[[Load], int]] = {
    "prefix_cache_queries": lambda load: load.prefix_cache_queries,
    "prefix_cache_hits": lambda load: load.prefix_cache_hits,
}


def _histogram(registry: CollectorRegistry, name: str, buckets: Sequence[float]) -> Histogram:
    return Histogram(
        f"{_PREFIX}_{name}", _HELP[name], labelnames=_MODEL, buckets=buckets, registry=registry
    )


def _counter(registry: CollectorRegistry, name: str, *labels: str) -> Counter:
    return Counter(
        f"{_PREFIX}_{name}", _HELP[name], labelnames=(*_MODEL, *labels), registry=registry
    )


def _gauge(name: str, values: Mapping[str, float | None]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", _HELP[name], labels=_MODEL)
    for model, value in values.items():
        if value is not None:
            family.add_metric([model], value)
    return family
