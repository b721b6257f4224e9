"""Run the decoder graph in place: past and present keys and values are the same memory.

The cache is one block of rows. Decoding runs on the first B rows at once, each at its own length;
a prefill runs on one row alone, so what a prompt leaves there never depends on company.
"""

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from backends.decoding.draws import Draws, Wishes, no_wishes
from backends.decoding.weights import Floats, padded
from backends.model_directory import Architecture
from backends.onnx_engine.cache import Cache, DeviceCache, HostCache
from backends.onnx_engine.step import Step, bind
from backends.onnx_engine.wide_rows import DeviceRows, HostRows, WideRows
from backends.vocabulary import BackendError

CPU = "CPUExecutionProvider"


class Decoder:
    """A session of ONNX Runtime together with its key/value cache. Not for several threads."""

    def __init__(
        self,
        graph: Path,
        sizes: Architecture,
        slots: int,
        threads: int,
        kept: int = 0,
        provider: str = CPU,
    ) -> None:
        """Load the graph; `threads` 0 takes all cores, up to the number of the model's heads.

        Raises `BackendError` if it cannot run.

        `kept` more rows of the cache follow the slots: no text is decoded there. Where ONNX
        Runtime cannot use the provider, the CPU is used and `on_cpu` says so.
        """
        self.slots = slots
        self.kept = kept
        self.sizes = sizes
        self.graph_bytes = sum(file.stat().st_size for file in graph.parent.glob(f"{graph.name}*"))
        """Size of the graph and its weights."""
        self._session = open_session(graph, _at_most(sizes.heads, threads), provider)
        self.on_cpu = self._session.get_providers()[0] == CPU
        carrier, self._element = _numbers(self._session, graph)
        rows = slots + kept
        self._cache: Cache = (
            HostCache(sizes, rows, carrier)
            if self.on_cpu
            else DeviceCache(sizes, rows, carrier, "cuda", provider)
        )
        shown, width = sizes.vocabulary, padded(sizes.vocabulary)
        self._logits = self._wide_rows(width, shown, provider)
        self._weights = self._wide_rows(width, width, provider)
        self._steps: dict[int, Step] = {}
        self._probe(graph)

    @property
    def cache_bytes(self) -> int:
        """The memory that keys and values take when every row is full."""
        return self._cache.nbytes

    def prefill(self, slot: int, tokens: NDArray[np.int64], start: int = 0) -> None:
        """Read tokens into a slot behind its first `start` ones."""
        self._read(slot, tokens, start, np.empty(0, np.int64))

    def score(self, tokens: NDArray[np.int64], slot: int = 0, start: int = 0) -> Floats:
        """Do as `prefill`, and return the logits (len(tokens), vocabulary) after each token."""
        return self._read(slot, tokens, start, np.arange(len(tokens)))

    def step(
        self, tokens: NDArray[np.int64], lengths: NDArray[np.int64], wishes: Wishes | None = None
    ) -> Draws:
        """Read one more token into each of the first B slots, and draw what could come next.

        `tokens` and `lengths` are (B,); `lengths` counts what the slots held before.
        """
        return self.run(self.prepare(tokens, lengths, wishes))

    def prepare(
        self, tokens: NDArray[np.int64], lengths: NDArray[np.int64], wishes: Wishes | None = None
    ) -> Step:
        """Put a step's inputs where the graph reads them; `run` it next."""
        width = len(tokens)
        step = self._steps.get(width) or self._bind_step(width)
        step.prepare(tokens, lengths, wishes or no_wishes(width))
        return step

    def run(self, step: Step) -> Draws:
        """Run what was prepared. The interpreter is free for other threads meanwhile."""
        self._run(step.binding)
        return step.draws

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of one row into another."""
        self._cache.copy(source, target, length)

    def clear(self, row: int) -> None:
        """Zero a row whose numbers went bad."""
        self._cache.clear(row)

    def _read(
        self, slot: int, tokens: NDArray[np.int64], start: int, rows: NDArray[np.int64]
    ) -> Floats:
        """Run `tokens` through one slot and return the logits of the given rows among them.

        Where there are none, what follows the decoder's blocks has nothing to do.
        """
        end = start + len(tokens)
        logits = np.empty((len(rows), padded(self.sizes.vocabulary)), np.float32)
        inputs = {
            "input_ids": np.ascontiguousarray(tokens, np.int64)[None],
            "position_ids": np.arange(start, end)[None],
            "seqlens_k": np.array([end - 1], np.int32),
            "total_sequence_length": np.array(end, np.int32),
            "logit_rows": rows,
            **no_wishes(len(rows)).inputs(),
        }
        binding = self._session.io_binding()
        for name, value in inputs.items():
            bind(binding.bind_input, name, value)
        bind(binding.bind_output, "logits", logits)
        self._bind_cache(binding, slot, 1)
        self._run(binding)
        return logits[:, : self.sizes.vocabulary]

    def _bind_step(self, width: int) -> Step:
        binding = self._session.io_binding()
        self._bind_cache(binding, 0, width)
        step = Step(binding, width, self._logits, self._weights, copies=not self.on_cpu)
        self._steps[width] = step
        return step

    def _wide_rows(self, width: int, shown: int, provider: str) -> WideRows:
        if self.on_cpu:
            return HostRows(self.slots, width, shown)
        return DeviceRows(self.slots, width, shown, self._cache.device, provider)

    def _bind_cache(self, binding: onnxruntime.IOBinding, row: int, count: int) -> None:
        shape = (count, *self._cache.shape[3:])
        for name, address in self._cache.pointers(row):
            place = (self._cache.device, 0, self._element, shape, address)
            binding.bind_input(f"past_{name}", *place)
            binding.bind_output(f"present_{name}", *place)

    def _run(self, binding: onnxruntime.IOBinding) -> None:
        self._session.run_with_iobinding(binding)

    def _probe(self, graph: Path) -> None:
        """Run one token, so that a graph that does not fit its card fails here and not later."""
        try:
            self.step(np.zeros(1, np.int64), np.zeros(1, np.int64))
        # ONNX Runtime raises classes of its own without a common base but Exception.
        except Exception as error:
            raise _unfit(graph) from error


def _numbers(session: onnxruntime.InferenceSession, graph: Path) -> tuple[type[np.generic], int]:
    """Return a NumPy type as wide as the cache's numbers, and ONNX's number for their type."""
    types = {
        "tensor(float)": (np.float32, 1),
        "tensor(float16)": (np.float16, 10),
        "tensor(bfloat16)": (np.uint16, 16),
        "tensor(int8)": (np.int8, 3),
    }
    found = {one.type for one in session.get_inputs() if one.name.startswith("past_")}
    if len(found) == 1 and (only := found.pop()) in types:
        return types[only]
    raise _unfit(graph)


def _unfit(graph: Path) -> BackendError:
    return BackendError(
        f"The model {graph.parent.name} cannot run: its graph does not fit its card. "
        "Export the model again."
    )


def open_session(graph: Path, threads: int, provider: str) -> onnxruntime.InferenceSession:
    """Load a graph. Raises `BackendError` where ONNX Runtime cannot."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _own_cores()
    options.log_severity_level = 3
    # Numbers too small to matter make the processor many times slower.
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    # Between runs its threads would look for work for some 40 ms, on cores that others want.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if _int8_overflows():
        options.add_session_config_entry("session.x64quantprecision", "1")
    providers = list(dict.fromkeys((provider, CPU)))
    try:
        # ONNX Runtime turns denormals off in the thread that opens a process's first session, and
        # for good: not in a thread that computes other things too.
        with ThreadPoolExecutor(max_workers=1) as opener:
            return opener.submit(
                onnxruntime.InferenceSession, graph, options, providers=providers
            ).result()
    # ONNX Runtime raises classes of its own without a common base but Exception.
    except Exception as error:
        raise BackendError(
            f"ONNX Runtime cannot load the model {graph.parent.name} here: export it again, in a "
            "precision that this machine can compute."
        ) from error


def _at_most(heads: int, threads: int) -> int:
    """Return how many threads, 0 for all cores, a decoder may have.

    With more threads than heads, ONNX Runtime divides the attention of a text that is alone, and
    sums it up in another order than beside others.
    """
    wanted = threads or _own_cores() or os.cpu_count() or 1
    return heads if wanted > heads else threads


def _own_cores() -> int:
    """Return how many cores this process is confined to; 0, ONNX Runtime's "all", if to none.

    Told nothing, ONNX Runtime would pin its threads to cores that are not ours.
    """
    if not hasattr(os, "sched_getaffinity"):  # only Linux has it
        return 0
    own = len(os.sched_getaffinity(0))
    return own if own < (os.cpu_count() or own) else 0


def _int8_overflows() -> bool:
    """Tell whether sums of int8 products can overflow: on x86 processors without VNNI.

    ONNX Runtime then takes a slower way on demand. Where the processor does not say, it must.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        return "vnni" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return True
