import pytest

from trainer.checkpoint import State
from trainer.progress import Progress


def test_a_validation_gets_a_line_and_says_when_it_is_the_best(capsys: pytest.CaptureFixture[str]):
    with Progress() as progress:
        state = State(step=10, train_loss=2.5)
        progress.update(state, share=0.1, lr=0.001, speed=5000)
        state.step, state.val_loss = 20, 2.25
        progress.update(state, share=0.2, lr=0.001, speed=5000)
        state.best_val_loss, state.val_loss = 2.25, 2.5
        progress.update(state, share=0.3, lr=0.001, speed=5000)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "loss 2.500, validation 2.250  (best)" in lines[0]
    assert "5,000 tokens/s" in lines[0]
    assert "best" not in lines[1]


def test_markup_in_a_sample_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]):
    with Progress() as progress:
        progress.sample("[bold]What[/] is [red]it?")
    assert "[bold]What[/] is [red]it?" in capsys.readouterr().err
