import logging
from pathlib import Path

import onnxruntime
import pytest

from backends import BackendError
from backends.onnx_engine.decoder import CPU
from backends.onnx_engine.devices import CUDA, choose_provider, tell_if_cuda_failed
from tests.backends.onnx_engine.engines import engine

without_cuda = pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA"
)


def test_models_for_the_cpu_run_there_unasked():
    assert choose_provider("auto", "tiny", "int8") == CPU
    assert choose_provider("cpu", "tiny", "fp16") == CPU


@without_cuda
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_without_cuda_a_16_bit_model_runs_on_the_cpu_and_the_log_says_what_is_missing(
    device: str, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING):
        assert choose_provider(device, "tiny", "fp16") == CPU
    assert "Install chinwag's extra gpu in place of cpu" in caplog.text


def test_a_model_that_fell_back_to_the_cpu_is_told_of(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        tell_if_cuda_failed("tiny", provider=CUDA, on_cpu=False)
        tell_if_cuda_failed("tiny", provider=CPU, on_cpu=True)
        assert caplog.text == ""
        tell_if_cuda_failed("tiny", provider=CUDA, on_cpu=True)
    assert "runs on the CPU, slower" in caplog.text


async def test_an_unknown_device_and_a_precision_that_cuda_lacks_are_refused(tiny_model: Path):
    for device, sentence in (("gpu", "must be one of auto, cpu, cuda"), ("cuda", "CPU only")):
        with pytest.raises(BackendError, match=sentence):
            async with engine(tiny_model, device=device):
                pass
