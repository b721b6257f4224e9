from pathlib import Path

import pytest

from backends.model_directory import Architecture, Card, Precision
from tests.trainer.outliers import make_source, write_text
from trainer.checked_graphs import build_checked
from trainer.choice import choose, table

SPEEDS: dict[Precision, dict[int, float]] = {
    "fp32": {1: 40.0, 8: 150.0},
    "int8": {1: 170.0, 8: 560.0},
    "int8-block": {1: 120.0, 8: 400.0},
    "int4": {1: 200.0, 8: 400.0},
}
SIZES = Architecture(
    layers=2, heads=2, width=32, context=64, vocabulary=371, parameters=39_392
)  # fmt: skip


def chosen(tolerance: float = 0.005, **perplexity: float) -> Precision:
    named = {name.replace("_", "-"): value for name, value in perplexity.items()}
    return choose({name: named[name] for name in SPEEDS if name in named}, SPEEDS, tolerance)


def test_the_fastest_within_the_tolerance_is_taken():
    assert chosen(fp32=10, int8=10.049, int8_block=10.01, int4=10.04) == "int8"
    assert chosen(fp32=10, int8=10.051, int8_block=10.01, int4=10.4) == "int8-block"
    assert chosen(fp32=10, int8=10.051, int8_block=10.051, int4=10.051) == "fp32"


def test_better_than_fp32_is_near_enough_at_any_tolerance():
    assert chosen(0.0, fp32=10, int8=9.9, int8_block=10.01, int4=10.01) == "int8"


def test_the_tolerance_decides():
    figures = {"fp32": 10, "int8": 11, "int8_block": 10.1}
    assert [chosen(tolerance, **figures) for tolerance in (0.005, 0.011, 0.2)] == [
        "fp32",
        "int8-block",
        "int8",
    ]


def test_numbers_that_overflow_are_never_near():
    assert chosen(1e9, fp32=10, int8=float("inf"), int4=10) == "int4"
    assert chosen(1e9, fp32=float("inf"), int8=float("inf")) == "fp32"


def test_without_perplexities_it_is_fp32():
    assert chosen() == "fp32"


def card(precision: Precision, perplexity: dict[Precision, float], **more: object) -> Card:
    return Card.model_validate(
        {
            "name": "ask",
            "architecture": SIZES,
            "precision": precision,
            "end_token": 0,
            "prepend_end_token": True,
            "perplexity": perplexity,
            "graph_bytes": {"fp32": 4e8, "int8": 1e8, "int4": 7e7, "bf16": 2e8},
            "tokens_per_s": {name: SPEEDS[name] for name in ("fp32", "int8", "int4")},
            "files": {},
            **more,
        }
    )


def test_the_table_has_all_figures_marks_the_chosen_and_says_why_not_the_others():
    made = card("int8", {"fp32": 10.0, "int8": 10.02, "int4": 12.0}, parity={"prefill": 2e-5})
    assert table(made, Path("models/ask")).splitlines() == [
        "models/ask: 39,392 parameters, logits within 2.0e-05 of PyTorch's",
        "precision   perplexity    to fp32       MB  tokens/s at 1     at 8",
        "fp32            10.000    +0.00 %    400.0           40.0    150.0  slower",
        "int8            10.020    +0.20 %    100.0          170.0    560.0  <- chosen",
        "int4            12.000   +20.00 %     70.0          200.0    400.0  more than 0.5 % worse",
        "bf16                 –          –    200.0              –        –"
        "  cannot run here, not measured",
    ]


def test_the_table_warns_of_a_bad_precision_that_was_asked_for():
    made = card("int4", {"fp32": 10.0, "int8": 10.02, "int4": 12.0})
    assert "<- chosen  more than 3 % worse" in table(made, Path("ask"), 0.03)
    assert "not compared with PyTorch" in table(made, Path("ask"))


def test_the_table_names_what_overflows():
    assert "its numbers overflow" in table(card("fp32", {"fp32": 10.0, "int4": 12}), Path("ask"))


def test_without_held_out_text_the_table_says_what_is_missing():
    text = table(card("fp32", {}), Path("ask"))
    assert text.splitlines()[-1].startswith("Without held-out text (--data)")


@pytest.mark.parametrize(
    ("outlier", "tolerance", "expected"),
    [
        (1, 0.01, "int8"),
        (1, 0.1, "int4"),
        (100, 0.025, "int8-block"),
        (300, 0.01, "fp32"),
    ],
)
def test_a_real_models_outliers_cost_it_the_faster_precisions(
    outlier: int, tolerance: float, expected: Precision, tmp_path: Path
):
    source = make_source(tmp_path / "checkpoint", values=outlier)
    text = write_text(source, tmp_path)
    figures = build_checked(source, tmp_path, ("int8", "int8-block", "int4"), text, 1e-3)
    # Speeds are as if measured: a busy machine must not decide this test.
    speeds: dict[Precision, dict[int, float]] = {**SPEEDS, "int4": {1: 300.0, 8: 600.0}}
    assert choose(figures.perplexity, speeds, tolerance) == expected
