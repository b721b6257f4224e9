"""What to say when the disk is full, or takes no more, while a run is written."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from safetensors import SafetensorError

from backends import UserError
from trainer.runs import Run

REFUSALS = (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES)
"""Of writing; NumPy's errors of short writes have no number."""


@contextmanager
def sentences(run: Run) -> Generator[None]:
    """Turn errors of writing `run` into a sentence; what was there before is whole."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        raise _sentence(run, error.strerror or str(error)) from error
    except SafetensorError as error:
        raise _sentence(run, str(error)) from error


def _sentence(run: Run, reason: str) -> UserError:
    return UserError(
        f"{run.path} cannot be written: {reason}. What was saved before is whole: make room, then "
        "go on with --resume."
    )
