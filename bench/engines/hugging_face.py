"""transformers' `generate`: over PyTorch, and over ONNX Runtime with Optimum's model."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from bench.engines import REPETITION_PENALTY, TEMPERATURE, TOP_P, cores


class Generate:
    """Any model that has transformers' `generate`; one batch, not streamed."""

    def __init__(self, name: str, model: Any, tokenizer: Path, **options: Any) -> None:
        """`options` go to `generate`."""
        self.name = name
        self._model: Any = model
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._options = options

    def write(self, prompts: Sequence[str], new_tokens: int, seed: int) -> int:
        torch.manual_seed(seed)
        encodings = self._tokenizer.encode_batch(list(prompts))
        start = torch.tensor([encoding.ids for encoding in encodings], device=self._model.device)
        with torch.inference_mode():
            written = self._model.generate(
                start, attention_mask=torch.ones_like(start), do_sample=True,
                temperature=TEMPERATURE, top_k=0, top_p=TOP_P,
                repetition_penalty=REPETITION_PENALTY, max_new_tokens=new_tokens,
                pad_token_id=0, **self._options,
            )  # fmt: skip
        return written[:, start.shape[1] :].numel()

    def close(self) -> None:
        self._model = None


def open_transformers(checkpoint: Path) -> Generate:
    torch.set_num_threads(cores())
    model = GPT2LMHeadModel.from_pretrained(checkpoint).eval()
    return Generate("transformers generate fp32", model, checkpoint / "tokenizer.json")


def open_optimum(checkpoint: Path) -> Generate:
    """Export with Optimum and open. Raises `ModuleNotFoundError` where it is not installed."""
    import onnxruntime
    from optimum.onnxruntime import ORTModelForCausalLM
    from optimum.utils import logging as optimum_logging

    transformers_logging.set_verbosity_error()
    optimum_logging.set_verbosity_error()

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's notes on transformers' code
        model = ORTModelForCausalLM.from_pretrained(
            checkpoint, export=True, session_options=options
        )
    return Generate("Optimum ORTModelForCausalLM fp32", model, checkpoint / "tokenizer.json")


def open_compiled(checkpoint: Path, device: str) -> Generate:
    """Open in fp16 with a cache of fixed size, with which `generate` compiles its steps on a GPU.

    It calls torch.compile with the mode "reduce-overhead", that is with CUDA graphs.
    """
    model: Any = GPT2LMHeadModel.from_pretrained(checkpoint, dtype=torch.float16).eval()
    model.to(device)
    name = "transformers static cache, compiled, fp16"
    return Generate(name, model, checkpoint / "tokenizer.json", cache_implementation="static")
