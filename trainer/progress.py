"""What a person sees while a model trains: on stderr, live in a terminal, lines elsewhere."""

import time
from collections.abc import Iterable, Sequence
from types import TracebackType

import rich.progress
from rich.console import Console, RenderableType
from rich.progress import BarColumn, TextColumn
from rich.text import Text

from trainer.checkpoint import State
from trainer.curves import Curve, draw_text
from trainer.duration import duration
from trainer.samples import Sample, shown

TALL = 24
"""Lines that a terminal must have for a curve to stand above the bar."""


class _Bar(rich.progress.Progress):
    """A bar with the run's curve above it."""

    curve = Text()

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn again and again; rich says to override this."""
        if self.curve:
            yield self.curve
        yield from super().get_renderables()


class Progress:
    """Shows loss, validation loss, curve, speed, time left and samples."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._bar = _Bar(
            TextColumn("step {task.fields[step]:,}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[figures]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=1.0, step=0, figures="starting")
        self._first: tuple[float, float] | None = None
        self._validation = ""

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(Text(line), soft_wrap=True)

    def sample(self, sample: Sample) -> None:
        """Show a text that the model has written."""
        self.console.print(Text(shown(sample), style="dim"), soft_wrap=True)

    def draw(self, curves: Sequence[Curve]) -> None:
        """Show curves above the bar, in a terminal tall enough; they stay when the bar ends."""
        width, height = self.console.size
        if self.console.is_terminal and height >= TALL:
            plot = draw_text(curves, "step", width=min(100, width), height=min(14, height // 3))
            drawn = Text.from_ansi(plot)
            drawn.no_wrap = True
            self._bar.curve = drawn

    def update(self, state: State, *, share: float, lr: float, speed: float) -> None:
        """Show where the run stands; a validation gets a line of its own."""
        left = self._left(share)
        if state.val_loss is not None:
            best = "  (best)" if state.best_val_loss is None or (
                state.val_loss < state.best_val_loss) else ""  # fmt: skip
            self._validation = f", validation {state.val_loss:.3f}"
            self.say(
                f"step {state.step:>6,}  loss {state.train_loss:.3f}{self._validation}{best}  "
                f"lr {lr:.1e}  {speed:,.0f} tokens/s  {left}"
            )
        figures = f"loss {state.train_loss:.3f}{self._validation}, {speed:,.0f} tokens/s, {left}"
        self._bar.update(self._task, completed=share, step=state.step, figures=figures)

    def _left(self, share: float) -> str:
        """Time left, from the pace of this sitting."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, share)
        started, before = self._first
        if share <= before:
            return "time left: not known yet"
        seconds = (now - started) * (1 - share) / (share - before)
        return f"{duration(seconds)} left"
