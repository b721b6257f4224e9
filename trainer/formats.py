"""Exports for other programs than ours: a clean Hugging Face directory, or Optimum's ONNX."""

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends import UserError
from backends.durable import durable_directory

SERVED = (
    "*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
)  # fmt: skip
"""What is needed to load a model; a checkpoint also has what training goes on with."""
TRAINED_WITH = "optimizer.safetensors"


def export_hf(checkpoint: Path, target: Path) -> list[str]:
    """Copy a checkpoint without what only training needs; returns the names of the files."""
    with _new(target) as folder:
        for file in sorted({file for pattern in SERVED for file in checkpoint.glob(pattern)}):
            if file.name != TRAINED_WITH:
                shutil.copy(file, folder / file.name)
        return sorted(file.name for file in folder.iterdir())


def export_optimum(checkpoint: Path, target: Path) -> list[str]:
    """Export with Optimum, for ONNX Runtime in other programs; returns the names of the files.

    It is what `optimum-cli export onnx` writes, which ORTModelForCausalLM loads. Raises `UserError`
    where Optimum is not installed or does not know the architecture.
    """
    try:
        from optimum.exporters.onnx import main_export
    except ImportError as exc:
        raise UserError(
            "Optimum is not installed: pip install 'chinwag[optimum]', or in the checkout "
            "pip install -e '.[optimum]'."
        ) from exc
    with _new(target) as folder, _quiet():
        try:
            main_export(
                str(checkpoint),
                output=folder,
                task="text-generation-with-past",
                do_validation=False,
                trust_remote_code=False,
            )
        except (ValueError, OSError, KeyError, RuntimeError) as exc:
            raise UserError(f"Optimum cannot export {checkpoint}: {exc}") from exc
        return sorted(file.name for file in folder.iterdir())


@contextmanager
def _new(target: Path) -> Iterator[Path]:
    """A directory that becomes `target`, which may not be there yet."""
    if target.exists():
        raise UserError(f"{target} is there already: choose another name, or remove it.")
    with durable_directory(target) as folder:
        yield folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the exporter logs of its tracing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
