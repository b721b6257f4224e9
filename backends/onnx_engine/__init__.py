"""The engine: GPT-2 on ONNX Runtime, many texts at once, each weight read once a step for all.

`decoder` runs the graph and owns the key/value memory, `sampling` picks tokens, `detokenizer` turns
them into text, `texts` watches one text until it ends, `scheduler` is the step loop in a thread of
its own, and `backend` speaks the vocabulary.
"""

from backends.vocabulary import Backend, ModelSpec

__all__ = ["open_onnx"]


async def open_onnx(spec: ModelSpec) -> Backend:
    """Open a model directory. Raises `BackendError` where it cannot be read or served.

    Options: `slots` (texts written at once, default 8), `threads` (default: all cores).
    """
    from backends.onnx_engine.backend import open_backend

    return await open_backend(spec)
