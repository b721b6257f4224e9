"""The processes that train one model together under `torchrun`; usually there is but one.

Every process holds the whole model, works on its own rows of each step, and adds its gradients to
the others' once a step. Nothing else ties them together, as DistributedDataParallel would: one that
runs out of memory tries its rows again in smaller parts while the others wait. Accelerate finds the
device and the connection between them.
"""

import datetime
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from backends import UserError

if TYPE_CHECKING:
    from torch import Tensor, device

    from trainer.windows import Batch

T = TypeVar("T")
RESTARTS = "TORCHELASTIC_RESTART_COUNT"
"""Where torchrun says how often it has started the processes anew."""
PATIENCE = datetime.timedelta(days=7)
"""How long a process waits for another, which may be reading the data; torchrun sees dead ones."""


def rank() -> int:
    """The number of this process among those that torchrun started; 0 is the main one."""
    return int(os.environ.get("RANK", "0"))


def restarted() -> bool:
    """Whether torchrun started the processes anew after one of them had failed."""
    return int(os.environ.get(RESTARTS, "0")) > 0


class Processes:
    """A process among those that train together."""

    def __init__(self, number: int, count: int, device: "device") -> None:
        self.rank, self.count, self.device = number, count, device

    @property
    def main(self) -> bool:
        """Whether it is this one that reads data, writes and speaks."""
        return self.rank == 0

    def share(self, batch: "Batch") -> "Batch":
        """The rows of `batch` that are this process's; perhaps none."""
        return batch[self.rank :: self.count]

    def agreed(self, value: T) -> T:
        """The main process's value, in every process."""
        import torch

        if self.count == 1:
            return value
        values: list[Any] = [value]
        with self._connected():
            torch.distributed.broadcast_object_list(values, src=0)
        return values[0]

    def anyone(self, asked: bool) -> bool:
        """Whether it is so in any process."""
        import torch

        return asked if self.count == 1 else bool(self.total(torch.tensor(int(asked))))

    def total(self, values: "Tensor") -> "Tensor":
        """The sum over all processes, element by element."""
        self._on_all(values, "all_reduce")
        return values

    def add_gradients(self, model: Any) -> None:
        """Give every process the sum of all processes' gradients."""
        import torch

        if self.count == 1:
            return
        for parameter in model.parameters():
            if parameter.requires_grad:
                if parameter.grad is None:  # it had no rows
                    parameter.grad = torch.zeros_like(parameter)
                self._on_all(parameter.grad, "all_reduce")

    def make_same(self, model: Any) -> None:
        """Give every process the main process's weights."""
        for parameter in model.parameters():
            self._on_all(parameter.data, "broadcast", src=0)

    @contextmanager
    def all_or_none(self) -> Generator[None]:
        """A block, free of exchanges, that every process gets through or none.

        The first process that did not says why; the others end without a word.
        """
        error = None
        try:
            yield
        except UserError as raised:
            error = raised
        failed: list[Any] = [error is not None] * self.count
        if self.count > 1:
            import torch

            with self._connected():
                torch.distributed.all_gather_object(failed, error is not None)
        if True in failed:
            if error and failed.index(True) == self.rank:
                raise error
            raise SystemExit(1)

    def fail(self, sentence: str) -> NoReturn:
        """End all processes, which all have come here, with one sentence."""
        if self.main:
            raise UserError(sentence)
        raise SystemExit(1)

    def _on_all(self, tensor: "Tensor", operation: str, **more: object) -> None:
        import torch

        if self.count > 1:
            with self._connected():
                getattr(torch.distributed, operation)(tensor, **more)

    @contextmanager
    def _connected(self) -> Generator[None]:
        """Say that another process is gone, instead of how the connection to it broke."""
        try:
            yield
        except RuntimeError as error:
            if not self.main:
                raise SystemExit(1) from error
            raise UserError(
                f"Another of the {self.count} processes has ended, and training with it. What was "
                "saved is kept: torchrun --max-restarts, or --resume, goes on from there."
            ) from error


def _connect(backend: str) -> None:
    """Meet the others where torchrun says.

    torchrun keeps one store through all restarts (PyTorch 2.13), and with it the addresses of the
    processes of an attempt that failed: without a prefix for each, the new ones wait for the dead.
    """
    from torch import distributed
    from torch.distributed import PrefixStore  # pyright: ignore[reportPrivateImportUsage] - public
    from torch.distributed.rendezvous import rendezvous

    store, number, count = next(rendezvous("env://", timeout=PATIENCE))
    attempt = os.environ.get(RESTARTS, "0")
    distributed.init_process_group(
        backend,
        store=PrefixStore(f"attempt {attempt}", store),
        rank=number,
        world_size=count,
        timeout=PATIENCE,
    )


@contextmanager
def together() -> Generator[Processes]:
    """Meet the other processes, if there are any; the connection is closed at the end."""
    import torch
    from accelerate import PartialState

    cuda = torch.cuda.is_available()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(0, 1, torch.device("cuda" if cuda else "cpu"))
        return
    # What processes tell each other besides gradients does not go through the GPU.
    backend = "cuda:nccl,cpu:gloo" if cuda else "gloo"
    _connect(backend)
    state = PartialState(cpu=not cuda, backend=backend)
    try:
        yield Processes(
            state.process_index, state.num_processes, state.device or torch.device("cpu")
        )
    finally:
        state.destroy_process_group()
        # Accelerate keeps it for the life of the process: another training would find it closed.
        state._reset_state()
