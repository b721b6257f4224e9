import ctypes

import numpy as np
import pytest

from backends.onnx_engine.decoder import CPU
from backends.onnx_engine.wide_rows import DeviceRows, HostRows, WideRows


@pytest.fixture(params=["host", "device"])
def rows(request: pytest.FixtureRequest) -> WideRows:
    """Each kind; the one for a GPU works on the CPU here, by ONNX Runtime as it would there."""
    if request.param == "host":
        return HostRows(4, 6, shown=5)
    return DeviceRows(4, 6, 5, "cpu", CPU)


def test_what_a_graph_writes_is_read_row_by_row_without_what_stands_behind(rows: WideRows):
    where = ctypes.cast(rows.address, ctypes.POINTER(ctypes.c_float))
    written = np.ctypeslib.as_array(where, rows.shape)
    written[:] = np.arange(24).reshape(4, 6)
    fetched = rows.first(3)[np.array([2, 0])]
    assert fetched.tolist() == [[12, 13, 14, 15, 16], [0, 1, 2, 3, 4]]
    fetched[:] = -1
    assert rows.first(3)[np.array([0])].tolist() == [[0, 1, 2, 3, 4]]
