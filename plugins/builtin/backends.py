"""The built-in backends. Each is imported when a model first uses it."""

from backends import Backend, ModelSpec
from plugins.hookspecs import RegisterBackend, hookimpl


@hookimpl
def register_backends(register: RegisterBackend) -> None:
    """Offer `echo`, `http`, `onnx`, `optimum` and `transformers`."""
    register("echo", _open_echo)
    register("http", _open_http)
    register("onnx", _open_onnx)
    register("optimum", _open_optimum)
    register("transformers", _open_transformers)


async def _open_echo(spec: ModelSpec) -> Backend:
    from backends.echo import open_echo

    return await open_echo(spec)


async def _open_http(spec: ModelSpec) -> Backend:
    from backends.http_backend import open_http

    return await open_http(spec)


async def _open_onnx(spec: ModelSpec) -> Backend:
    from backends.onnx_engine import open_onnx

    return await open_onnx(spec)


async def _open_optimum(spec: ModelSpec) -> Backend:
    from backends.hugging_face import open_optimum

    return await open_optimum(spec)


async def _open_transformers(spec: ModelSpec) -> Backend:
    from backends.hugging_face import open_transformers

    return await open_transformers(spec)
