"""Choose where a model computes: on the CPU, or on a GPU through CUDA."""

import logging

import onnxruntime

from backends.card import Precision
from backends.onnx_engine.decoder import CPU
from backends.vocabulary import BackendError

log = logging.getLogger(__name__)

CUDA = "CUDAExecutionProvider"
DEVICES = ("auto", "cpu", "cuda")
HALF: tuple[Precision, ...] = ("fp16", "bf16")
"""What CUDA's attention over a cache computes with; the other precisions are for the CPU."""


def has_cuda() -> bool:
    """Tell whether this ONNX Runtime was built with CUDA."""
    return CUDA in onnxruntime.get_available_providers()


def choose_provider(device: object, name: str, precision: Precision) -> str:
    """Return ONNX Runtime's provider for a model. `auto` takes CUDA for 16-bit models.

    Where CUDA is wanted and cannot be had, the CPU is taken and the log says what is missing.
    Raises `BackendError` for an unknown device and for a precision that CUDA does not compute.
    """
    if device not in DEVICES:
        raise BackendError(
            f"Option 'device' of the model {name} must be one of {', '.join(DEVICES)}, "
            f"not {device!r}."
        )
    if device == "cuda" and precision not in HALF:
        raise BackendError(
            f"The model {name} is {precision}, which runs on the CPU only: for CUDA export it "
            "with --precision fp16."
        )
    if device == "cpu" or precision not in HALF:
        return CPU
    if not has_cuda():
        log.warning(
            "The model %s is made for CUDA, but this ONNX Runtime has none: it runs on the CPU, "
            "slower. Install chinwag's extra gpu in place of cpu.",
            name,
        )
        return CPU
    # CUDA's libraries may lie in Python packages, where the loader does not look by itself.
    onnxruntime.preload_dlls()
    return CUDA


def tell_if_cuda_failed(name: str, *, provider: str, on_cpu: bool) -> None:
    """Log what to do where a model meant for CUDA ended up on the CPU."""
    if provider == CUDA and on_cpu:
        log.warning(
            "CUDA could not be started, so the model %s runs on the CPU, slower. Is there a GPU "
            "with its driver (nvidia-smi), and are CUDA's libraries installed "
            "(pip install 'onnxruntime-gpu[cuda,cudnn]')?",
            name,
        )
