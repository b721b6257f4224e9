import pytest

from trainer.checkpoint import State
from trainer.curves import Curve
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
        progress.sample({"text": "[bold]What[/] is [red]it?"})
    assert "[bold]What[/] is [red]it?" in capsys.readouterr().err


CURVES = [Curve("validation", [(10.0, 3.0), (20.0, 2.0)], True)]


@pytest.mark.parametrize(("lines", "drawn"), [(24, True), (23, False)])
def test_a_terminal_shows_the_curve_above_the_bar_where_it_is_tall_enough(
    lines: int,
    drawn: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    for name, value in {"FORCE_COLOR": "1", "LINES": str(lines), "COLUMNS": "90"}.items():
        monkeypatch.setenv(name, value)
    with Progress() as progress:
        progress.draw(CURVES)
        state = State(step=20, train_loss=2.5, val_loss=2.0)
        progress.update(state, share=0.5, lr=0.001, speed=5000)
    shown = capsys.readouterr().err
    assert ("-> (step)" in shown) == drawn
    assert "loss 2.500, validation 2.000, 5,000 tokens/s" in shown, "the bar has the newest loss"


def test_without_a_terminal_no_curve_is_drawn(capsys: pytest.CaptureFixture[str]):
    with Progress() as progress:
        progress.draw(CURVES)
    assert capsys.readouterr().err == ""
