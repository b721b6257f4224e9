"""Open a model with transformers or with Optimum, and learn what one must know to serve it."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from backends.hugging_face.decoder import Decoder, enough_memory
from backends.hugging_face.source import Source
from backends.vocabulary import BackendError


@dataclass(frozen=True)
class Loaded:
    """An open model."""

    decoder: Decoder
    context: int | None
    """The most tokens it can attend to; `None` where it is not bounded."""
    vocabulary: int
    start_token: int | None
    """What an empty prompt begins with."""
    end_tokens: tuple[int, ...]
    weight_bytes: int
    token_bytes: int
    """What the keys and values of one token take, at most."""
    details: Mapping[str, str]
    """Parameters, architecture, precision, device."""


def load_checkpoint(source: Source, device: str, dtype: str) -> Loaded:
    """Load safetensors into PyTorch. Raises `BackendError` where that cannot be done."""
    source.require(
        "model*.safetensors",
        instead="save the model with save_pretrained(); weights in pickles are never read, "
        "because they can run any program",
    )
    with _sentences(source), enough_memory(source.name):
        # A pair where the report is asked for, which transformers' own typing does not know.
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source.folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        model, report = loaded
        if missing := sorted(report["missing_keys"]):
            raise BackendError(
                f"The weights in {source.folder} are not whole: {missing[0]} is missing. "
                "Copy them again."
            )
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        model = model.eval().to("cuda" if cuda else "cpu")
    parameters = {"Parameters": f"{model.num_parameters():,}"}
    return _loaded(source, model, model.get_memory_footprint(), parameters)


def load_export(source: Source, device: str) -> Loaded:
    """Load an exported graph into ONNX Runtime. Raises `BackendError` where it cannot be done."""
    from optimum.onnxruntime import ORTModelForCausalLM

    source.require(
        "*.onnx", instead="export a checkpoint with `optimum-cli export onnx --model DIRECTORY NEW`"
    )
    with _sentences(source):
        model = ORTModelForCausalLM.from_pretrained(
            source.folder,
            provider=_provider(device),
            local_files_only=True,
            trust_remote_code=False,
        )
        if not model.can_use_cache:
            raise BackendError(
                f"The graph in {source.folder} has no cache for keys and values: "
                "export it with --task text-generation-with-past."
            )
    size = sum(file.stat().st_size for file in source.folder.glob("*.onnx*"))
    return _loaded(source, model, size, {})


def _provider(device: str) -> str:
    from optimum.onnxruntime.utils import validate_provider_availability

    if device == "cpu":
        return "CPUExecutionProvider"
    try:
        validate_provider_availability("CUDAExecutionProvider")
    except (ImportError, ValueError):
        if device == "cuda":
            raise
    else:
        # Optimum keeps inputs and outputs in PyTorch's memory of the device.
        if device == "cuda" or torch.cuda.is_available():
            return "CUDAExecutionProvider"
    return "CPUExecutionProvider"


def _loaded(source: Source, model: Any, weight_bytes: int, parameters: dict[str, str]) -> Loaded:
    config = model.config.get_text_config()
    starts, ends = (
        _tokens(model.generation_config, name) or _tokens(config, name)
        for name in ("bos_token_id", "eos_token_id")
    )
    return Loaded(
        decoder=Decoder(model, source.name),
        context=_first(config, "max_position_embeddings", "max_seq_len", "seq_length"),
        vocabulary=config.vocab_size,
        start_token=next(iter(starts + ends), None),
        end_tokens=ends,
        weight_bytes=weight_bytes,
        token_bytes=_token_bytes(config, model.dtype),
        details={
            **parameters,
            "Architecture": _architecture(config),
            "Precision": str(model.dtype).removeprefix("torch."),
            "Device": str(model.device),
        },
    )


def _tokens(config: Any, name: str) -> tuple[int, ...]:
    """Return the tokens that a config states: none, one or several."""
    stated: int | list[int] | None = getattr(config, name, None)
    return (stated,) if isinstance(stated, int) else tuple(stated or ())


def _first(config: Any, *names: str) -> int | None:
    return next((value for name in names if (value := getattr(config, name, None))), None)


def _token_bytes(config: Any, dtype: torch.dtype) -> int:
    heads = _first(config, "num_attention_heads") or 0
    width = _first(config, "head_dim") or (_first(config, "hidden_size") or 0) // max(heads, 1)
    cached_heads = _first(config, "num_key_value_heads") or heads
    layers = _first(config, "num_hidden_layers") or 0
    return 2 * layers * cached_heads * width * dtype.itemsize


def _architecture(config: Any) -> str:
    sizes = {
        "{:,} layers": _first(config, "num_hidden_layers"),
        "{:,} heads": _first(config, "num_attention_heads"),
        "width {:,}": _first(config, "hidden_size"),
        "vocabulary {:,}": config.vocab_size,
    }
    known = [text.format(value) for text, value in sizes.items() if value]
    return ", ".join([config.model_type, *known])


@contextmanager
def _sentences(source: Source) -> Generator[None]:
    """Turn the libraries' errors of reading a model into a sentence, and keep them quiet."""
    logging.set_verbosity_error()  # its warnings hide the sentence below
    logging.disable_progress_bar()
    try:
        yield
    except (BackendError, torch.OutOfMemoryError):
        raise
    # These libraries raise whatever theirs raise.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise BackendError(
            f"The model {source.name} in {source.folder} cannot be loaded ({reason})."
        ) from error
