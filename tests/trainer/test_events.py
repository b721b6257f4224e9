import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from trainer.checkpoint import State
from trainer.events import Events


def row(events: Events, step: int, loss: float, val_loss: float | None = None) -> None:
    state = State(step=step, train_loss=loss, val_loss=val_loss)
    events.row(state, lr=0.001, speed=5000)


def read(folder: Path, tag: str) -> list[tuple[int, float]]:
    """What TensorBoard itself shows of a scalar."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(one.step, one.tensor_proto.float_val[0]) for one in events.Tensors(tag)]


def test_tensorboard_reads_losses_and_samples(tmp_path: Path):
    events = Events(tmp_path / "events", 0, print)
    row(events, 10, 5.0)
    row(events, 20, 4.0, 4.5)
    events.samples(20, ["What\nis *it*?", "Why?"])
    events.close()
    assert read(tmp_path / "events", "loss/training") == [(10, 5.0), (20, 4.0)]
    assert read(tmp_path / "events", "loss/validation") == [(20, 4.5)]
    shown = EventAccumulator(str(tmp_path / "events"))
    shown.Reload()
    (sample,) = shown.Tensors("samples/text_summary")
    assert b"    What\n    is *it*?\n" in sample.tensor_proto.string_val[0]


def test_what_a_killed_sitting_wrote_after_its_checkpoint_is_hidden_by_the_next(tmp_path: Path):
    killed = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.trainer.test_events import Events, row\n"
        "events = Events(Path(sys.argv[1]), 0, print)\n"
        "for step in (10, 20, 30, 40): row(events, step, 50 - step)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path)])  # noqa: S603 - our own code
    assert done.returncode == -signal.SIGKILL
    resumed = Events(tmp_path, 20, print)
    row(resumed, 30, 2.0)
    resumed.close()
    assert read(tmp_path, "loss/training") == [(10, 40.0), (20, 30.0), (30, 2.0)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_once_and_ends_only_the_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    said: list[str] = []
    real = Path.open

    def full(self: Path, *_: object, **__: object) -> object:
        return real(Path("/dev/full"), "wb", buffering=0)

    monkeypatch.setattr(Path, "open", full)
    events = Events(tmp_path, 0, said.append)
    row(events, 10, 5.0)
    events.samples(10, ["What?"])
    events.close()
    assert len(said) == 1
    assert "No space left" in said[0]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path):
    said: list[str] = []
    (tmp_path / "file").write_text("")
    events = Events(tmp_path / "file", 0, said.append)
    row(events, 10, 5.0)
    assert len(said) == 1
