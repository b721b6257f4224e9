"""What to do when memory runs out while training."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from backends import UserError

T = TypeVar("T")
ADVICE = (
    "try a smaller --context, --gradient-checkpointing, --optimizer adamw8bit, --lora 16, or a "
    "smaller --model."
)


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, on a GPU or beside the CPU."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and should_reduce_batch_size(error)
    )


def until_it_fits(work: Callable[[], T], smaller: Callable[[], None]) -> T:
    """Do `work`; whenever memory runs out, call `smaller` and do it again from its beginning."""
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error):
                raise
        # Only here, outside the handler, is free what the failed try held.
        clear_device_cache()
        smaller()


@contextmanager
def sentences() -> Generator[None]:
    """Turn running out of memory into a sentence with what helps."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise UserError(f"There is not enough memory for this model: {ADVICE}") from error
