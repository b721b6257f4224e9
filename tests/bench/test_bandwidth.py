import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

from bench.bandwidth import read_bandwidth, weight_bytes


def test_reading_speed_is_measured_in_bytes_a_second():
    assert read_bandwidth(size=2**22) > 2**20


def test_a_step_reads_matrices_once_and_of_tables_only_rows(tmp_path):
    table, matrix = np.zeros((10, 4), np.int8), np.zeros((4, 6), np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["a"]),  # also the head: counted, once
        helper.make_node("Gather", ["positions", "ids"], ["b"]),  # only looked up: not counted
        helper.make_node("Transpose", ["table"], ["c"]),
        helper.make_node("MatMul", ["x", "matrix"], ["d"]),
        helper.make_node("MatMul", ["d", "matrix"], ["e"]),
    ]
    constants = {"table": table, "positions": table, "matrix": matrix}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["N"])],
        [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    save_model(helper.make_model(graph), tmp_path / "model.onnx")
    assert weight_bytes(tmp_path / "model.onnx") == table.nbytes + matrix.nbytes
