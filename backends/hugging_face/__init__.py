"""Causal language models of the transformers library: through PyTorch, or exported by Optimum.

`source` finds the files, `tokens` knows the tokenizer, `loading` opens the model, `decoder` runs it
through transformers' `generate`, `worker` lets it write one text after another in a thread of its
own, and `backend` speaks the vocabulary. How tokens are chosen, stopped and handed over is the ONNX
engine's: the same seed means the same here.
"""

from backends.vocabulary import Backend, ModelSpec

__all__ = ["open_optimum", "open_transformers"]


async def open_transformers(spec: ModelSpec) -> Backend:
    """Open a checkpoint or a trainer's run. Raises `BackendError` where that cannot be served.

    The options are explained in docs/operators/backends.md.
    """
    from backends.hugging_face.backend import open_checkpoint

    return await open_checkpoint(spec)


async def open_optimum(spec: ModelSpec) -> Backend:
    """Open a directory that Optimum exported. Raises `BackendError` where it cannot be served."""
    from backends.hugging_face.backend import open_export

    return await open_export(spec)
