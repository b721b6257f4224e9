"""How fast this machine reads memory: the limit of decoding one text, which reads all weights."""

import ctypes
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bench.engines import cores

BUFFER = 512 * 2**20
"""Bytes read at once: many times more than any cache holds."""
REPEATS = 5

Reader = Callable[[NDArray[np.int64]], Any]


def read_bandwidth(size: int = BUFFER) -> float:
    """Return bytes/s that all cores together read, the best of several ways and tries."""
    parts = np.array_split(np.ones(size // 8, np.int64), cores())
    with ThreadPoolExecutor(len(parts)) as pool:

        def seconds(read: Reader) -> float:
            start = time.perf_counter()
            list(pool.map(read, parts))
            return time.perf_counter() - start

        return size / min(seconds(read) for read in (np.max, _search) for _ in range(REPEATS))


def _search(memory: NDArray[np.int64]) -> None:
    """Look for a byte that is not there with the C library, which does it as fast as it can."""
    _memchr()(memory.ctypes.data, 0xFF, memory.nbytes)


@cache
def _memchr() -> Callable[[int, int, int], int | None]:
    search = ctypes.CDLL(None).memchr
    search.argtypes, search.restype = (
        (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t),
        ctypes.c_void_p,
    )
    return search


def weight_bytes(graph: Path) -> int:
    """Return the bytes of the weights that each step reads in whole: all but looked-up tables."""
    model = onnx.load(str(graph), load_external_data=False).graph
    # A table of blocks is given another shape before rows are looked up in it.
    lookups = ("Gather", "Reshape")
    read = {name for node in model.node if node.op_type not in lookups for name in node.input}
    return sum(_bytes(tensor) for tensor in model.initializer if tensor.name in read)


def _bytes(tensor: onnx.TensorProto) -> int:
    numbers = int(np.prod(tensor.dims, dtype=np.int64))
    return numbers * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
