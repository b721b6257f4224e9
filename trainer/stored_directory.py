"""Read a Hugging Face directory: `config.json`, `tokenizer.json` and safetensors, whole or sharded.

https://huggingface.co/docs/safetensors has the format; the numbers may be fp32, fp16 or bf16.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - numpy knows bfloat16 once it is imported
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from backends.model_directory import TOKENIZER, sha256_of
from trainer.stored import RefusedError, Stored

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
REAL = ("float32", "float16", "bfloat16", "float64")
BUFFERS = (".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq")
"""Ends of the names of what old checkpoints hold besides weights: masks and angles."""


def read_directory(path: Path) -> Stored:
    """Read the directory. Raises `RefusedError` where a file lacks or is broken."""
    config = _read_json(path / CONFIG)
    files = _weight_files(path)
    weights = {name: tensor for file in files for name, tensor in _tensors(file)}
    return Stored(config, weights, read_tokenizer(path), _checksum(files))


def read_tokenizer(path: Path) -> Tokenizer:
    """Read a directory's tokenizer. Raises `RefusedError` likewise."""
    _demand(path / TOKENIZER)
    try:
        return Tokenizer.from_file(str(path / TOKENIZER))
    # The tokenizers library raises Exception itself.
    except Exception as error:
        raise RefusedError(f"its {TOKENIZER} cannot be read ({error})") from error


def _read_json(file: Path) -> dict[str, Any]:
    _demand(file)
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(f"its {file.name} cannot be read ({error})") from error
    if not isinstance(read, dict):
        raise RefusedError(f"its {file.name} cannot be read (it is no JSON object)")
    return read


def _demand(file: Path) -> None:
    if not file.is_file():
        raise RefusedError(f"it has no {file.name}")


def _weight_files(path: Path) -> list[Path]:
    """Return the one file of weights, or all shards in the order of their names."""
    if not (path / INDEX).is_file():
        _demand(path / WEIGHTS)
        return [path / WEIGHTS]
    shards = _read_json(path / INDEX).get("weight_map")
    names = set(shards.values()) if isinstance(shards, dict) else set()
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise RefusedError(f"its {INDEX} cannot be read (it names no files beside it)")
    files = [path / name for name in sorted(names)]
    for file in files:
        _demand(file)
    return files


def _tensors(file: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    try:
        with safe_open(file, framework="np") as stored:
            for name in stored.keys():  # noqa: SIM118 - it is no mapping
                if name.endswith(BUFFERS):
                    continue
                tensor = stored.get_tensor(name)
                if tensor.dtype.name not in REAL:
                    raise RefusedError(f"its tensor {name} holds {tensor.dtype.name}")
                short = name.removeprefix("transformer.").removeprefix("model.")
                yield short, tensor.astype(np.float32, copy=False)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise RefusedError(f"its {file.name} cannot be read ({error})") from error


def _checksum(files: Sequence[Path]) -> str:
    """Return the sha256 of the file; of several, that of their checksums one after the other."""
    sums = [sha256_of(file) for file in files]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()
