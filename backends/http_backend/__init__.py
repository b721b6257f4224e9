"""A model on any server that speaks OpenAI's `/v1/completions` with server-sent events.

`options` reads the config, `request` makes the body, `client` speaks HTTP, `event_stream` and
`events` read what comes back, `text` turns it into chunks, `breaker` and `replicas` choose the
server, `writer` sees one text through, and `backend` speaks the vocabulary.
"""

from backends.vocabulary import Backend, ModelSpec

__all__ = ["open_http"]


async def open_http(spec: ModelSpec) -> Backend:
    """Open a model on servers. Raises `BackendError` where an option does not hold.

    The options are explained in docs/operators/backends.md.
    """
    from backends.http_backend.backend import open_backend

    return await open_backend(spec)
