from pathlib import Path

import numpy as np

from backends.decoding.draws import Draws, Wishes
from backends.model_directory import GRAPH, read_card
from backends.onnx_engine.decoder import Decoder
from trainer.speed import ROUNDS, STEPS, tokens_per_second


class Recording(Decoder):
    """A real decoder that writes down whose step ran, and how wide."""

    def watch(self, name: str, steps: list[tuple[str, int]]) -> "Recording":
        self.name, self.steps = name, steps
        return self

    def step(self, tokens: np.ndarray, lengths: np.ndarray, wishes: Wishes | None = None) -> Draws:
        if hasattr(self, "steps"):
            self.steps.append((self.name, len(tokens)))
        return super().step(tokens, lengths, wishes)


def test_decoders_take_turns_in_every_round_and_both_widths_are_measured(tiny_model: Path):
    sizes, steps = read_card(tiny_model).architecture, []
    one, other = (
        Recording(tiny_model / GRAPH, sizes, slots=8, threads=1).watch(name, steps)
        for name in ("fp32", "int8")
    )
    speeds = tokens_per_second({"fp32": one, "int8": other})
    assert [set(speed) for speed in speeds.values()] == [{1, 8}, {1, 8}]
    assert min(min(speed.values()) for speed in speeds.values()) > 0
    turn = [("fp32", 1), ("fp32", 8), ("int8", 1), ("int8", 8)]
    assert steps == [one for _ in range(ROUNDS) for one in turn for _ in range(STEPS)]
