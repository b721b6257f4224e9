"""What a person sees while a model trains: on stderr, live in a terminal, lines elsewhere."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from trainer.checkpoint import State
from trainer.duration import duration


class Progress:
    """Shows loss, validation loss, speed, time left and samples."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._bar = Bar(
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

    def sample(self, text: str) -> None:
        """Show a text that the model has written."""
        self.console.print(
            Text("  » " + text.strip().replace("\n", "\n    "), style="dim"), soft_wrap=True
        )

    def update(self, state: State, *, share: float, lr: float, speed: float) -> None:
        """Show where the run stands; a validation gets a line of its own."""
        left = self._left(share)
        figures = f"loss {state.train_loss:.3f}{self._validation}, {speed:,.0f} tokens/s, {left}"
        if state.val_loss is not None:
            best = "  (best)" if state.best_val_loss is None or (
                state.val_loss < state.best_val_loss) else ""  # fmt: skip
            self._validation = f", validation {state.val_loss:.3f}"
            self.say(
                f"step {state.step:>6,}  loss {state.train_loss:.3f}{self._validation}{best}  "
                f"lr {lr:.1e}  {speed:,.0f} tokens/s  {left}"
            )
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
