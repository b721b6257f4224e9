import ctypes
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from backends.card import Architecture
from backends.onnx_engine.cache import Cache, DeviceCache, HostCache
from backends.onnx_engine.decoder import CPU
from backends.onnx_engine.device_block import COPY

SIZES = Architecture(
    layers=2, heads=2, width=32, context=8, vocabulary=10, parameters=1, cached_heads=1
)
ROWS = 3


@pytest.fixture(params=["host", "device"])
def cache(request: pytest.FixtureRequest) -> Cache:
    """Each kind; the one for a GPU works on the CPU here, by ONNX Runtime as it would there."""
    if request.param == "host":
        return HostCache(SIZES, ROWS, np.float32)
    return DeviceCache(SIZES, ROWS, np.float32, "cpu", CPU)


def row(cache: Cache, number: int) -> list[np.ndarray]:
    """Return a row's numbers where they lie, through the pointers that the graph is given."""
    size = SIZES.cached_heads * SIZES.context * SIZES.head_width
    floats = ctypes.POINTER(ctypes.c_float)
    return [
        np.ctypeslib.as_array(ctypes.cast(address, floats), (size,))
        for _, address in cache.pointers(number)
    ]


def fill(cache: Cache, number: int, value: float) -> None:
    for place, part in enumerate(row(cache, number)):
        part[:] = value * (place + 1)


def holds(cache: Cache, number: int, value: float) -> bool:
    return all((part == value * (i + 1)).all() for i, part in enumerate(row(cache, number)))


def test_rows_are_zero_at_first_and_apart_from_each_other(cache: Cache):
    assert all(holds(cache, number, 0) for number in range(ROWS))
    for number in range(ROWS):
        fill(cache, number, number + 1)
    assert all(holds(cache, number, number + 1) for number in range(ROWS))


def test_a_row_is_copied_and_the_others_stay(cache: Cache):
    fill(cache, 0, 7)
    cache.copy(0, 2, SIZES.context)
    assert holds(cache, 2, 7)
    assert holds(cache, 1, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells how much memory is in use")
def test_a_token_takes_the_memory_of_its_pages_and_not_of_its_row():
    sizes = SIZES.model_copy(update={"context": 2**18})
    cache = HostCache(sizes, ROWS, np.float32)
    before = own_memory()
    for _, address in cache.pointers(1):
        ctypes.memset(address, 1, 4)
    assert own_memory() - before < cache.nbytes / 100


def own_memory() -> int:
    """Return the bytes of memory that this process alone has in use."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.findall(r"RssAnon:\s+(\d+) kB", status)[0]) * 1024


def test_a_cleared_row_is_zero_again(cache: Cache):
    fill(cache, 1, np.nan)
    cache.clear(1)
    assert holds(cache, 1, 0)


def test_the_names_are_those_of_the_graph(cache: Cache):
    names = [name for name, _ in cache.pointers(0)]
    assert names == ["key_0", "value_0", "key_1", "value_1"]


def test_the_graph_that_copies_is_one_identity():
    graph = onnx.load_from_string(COPY).graph
    assert [node.op_type for node in graph.node] == ["Identity"]
    onnxruntime.InferenceSession(COPY, providers=[CPU])
