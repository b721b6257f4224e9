import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import UserError
from trainer.curves import Curve, draw_picture, draw_text, run_curves
from trainer.metrics import Row

ROWS = [
    Row(step, step * 8192, step / 60, 9 - step / 100, 9.5 - step / 100 if step % 50 == 0 else None)
    for step in range(10, 201, 10)
]
losses = st.floats(0, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])
places = st.floats(0, 5e10)


def test_a_runs_curves_are_its_training_and_its_validation_loss():
    training, validation = run_curves(ROWS)
    assert training.points[0] == (10, 8.9)
    assert [step for step, _ in validation.points] == [50, 100, 150, 200]


def test_a_curve_falls_from_the_top_left_to_the_bottom_right():
    lines = draw_text(run_curves(ROWS)[1:], "step", width=80).splitlines()
    columns = [line.index("o") for line in lines[1:-1] if "o" in line]
    assert len(columns) == 4
    assert columns == sorted(columns)


def test_the_plot_says_its_axes_and_lines():
    plot = draw_text(run_curves(ROWS), "step", width=80)
    assert "(loss)" in plot
    assert "-> (step)" in plot
    assert "200" in plot
    assert plot.endswith("⠤⠤ training   ⠤x⠤ validation\n")


def test_millions_of_tokens_are_said_as_millions():
    points = [(0.0, 3.0), (400_000_000.0, 2.0)]
    assert "400 M" in draw_text([Curve("a", points, True)], "tokens", width=90)


def test_nothing_to_draw_is_no_plot():
    assert draw_text(run_curves([]), "step", width=80) == ""


@given(
    st.lists(st.tuples(places, losses), max_size=20),
    st.lists(st.tuples(places, losses), max_size=5),
    st.integers(20, 200),
)
@settings(deadline=None)
def test_any_losses_can_be_drawn_and_fit_the_terminal(
    one: list[tuple[float, float]], other: list[tuple[float, float]], width: int
):
    plot = draw_text([Curve("a", one, False), Curve("b", other, True)], "step", width=width)
    assert bool(plot) == any(math.isfinite(loss) for _, loss in one + other)
    if plot and width >= 50:
        assert max(map(len, plot.splitlines())) <= width


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], [], [Row(10, 80, 1, math.nan, math.inf)]])
def test_the_picture_is_a_png_and_replaces_the_one_before(rows: list[Row], tmp_path: Path):
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")
    draw_picture(run_curves(rows), "step", path, "ask")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert list(tmp_path.iterdir()) == [path]


def test_a_picture_that_cannot_be_written_is_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        draw_picture(run_curves(ROWS), "step", tmp_path / "file" / "curve.png", "ask")
