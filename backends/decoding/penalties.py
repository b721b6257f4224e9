"""Which tokens' logits are changed in each row, and how: by biases and penalties."""

from collections.abc import Sequence

import numpy as np

from backends.decoding.weights import Floats, Ints
from backends.vocabulary import Sampling

_FEWEST = 16
"""Places told at least. Their number doubles as it grows, so that it seldom changes."""

_ROW = np.dtype(
    [
        ("repetition", "f4"),
        ("presence", "f4"),
        ("biased", "i8"),
        ("prompt", "i8"),
        ("known", "i8"),
        ("calm", "i8"),
    ],
    align=True,
)
"""A row's penalties; how many of its tokens have a bias, come from its prompt, and are there in
all; and below how many a new one changes nothing but its own place."""


class Penalties:
    """The changed tokens of as many texts as there are slots; row i is slot i.

    A row holds its tokens with a bias, then what was read, then what was written. Behind its newest
    token it repeats its first, with all that is done to it: doing that twice changes nothing.
    """

    def __init__(self, slots: int, vocabulary: int, history: int) -> None:
        """Remember at most the newest `history` tokens of a text besides those with a bias."""
        self._vocabulary = vocabulary
        self._history = history
        self._rows = np.zeros(slots, _ROW)
        self._places = np.zeros((slots, history), np.int64)
        self._changes = np.zeros((3, slots, history), np.float32)
        """Biases, repetition penalties and fines."""
        self._bias: dict[int, dict[int, float]] = {}

    def enter(
        self, row: int, sampling: Sampling, prompt: Sequence[int], written: Sequence[int]
    ) -> None:
        """Begin a text in a row, or go on with one of which some is `written`."""
        bias = {
            token: value
            for token, value in sampling.logit_bias.items()
            if 0 <= token < self._vocabulary
        }
        self._bias.pop(row, None)
        if bias:
            self._bias[row] = bias
            self._widen(self._history + len(bias))
        newest = [*dict.fromkeys(prompt), *written][-self._history :]
        self._rows[row] = (
            sampling.repetition_penalty,
            sampling.presence_penalty,
            len(bias),
            max(len(newest) - len(written), 0),
            len(bias) + len(newest),
            0,
        )
        self._places[row, : len(bias) + len(newest)] = [*bias, *newest]
        self._work_out(row)

    def move(self, source: int, target: int) -> None:
        """Put the text of one row into another."""
        self._rows[target] = self._rows[source]
        self._places[target] = self._places[source]
        self._changes[:, target] = self._changes[:, source]
        self._bias.pop(target, None)
        if source in self._bias:
            self._bias[target] = self._bias.pop(source)

    def of_first(self, count: int) -> tuple[Ints, Floats, Floats, Floats]:
        """Return the first rows' places, biases, penalties and fines, each (count, P)."""
        most = int(self._rows["known"][:count].max(initial=1))
        width = min(max(_FEWEST, 1 << (most - 1).bit_length()), self._places.shape[1])
        biases, penalties, fines = self._changes[:, :count, :width]
        return self._places[:count, :width], biases, penalties, fines

    def places(self, row: int) -> Ints:
        """Return a row's tokens, (P,)."""
        return self._places[row, : max(int(self._rows["known"][row]), 1)]

    def add(self, tokens: Ints) -> None:
        """Note the token that each of the first rows wrote. The oldest makes way for it."""
        rows = self._rows[: len(tokens)]
        known = rows["known"]
        restless = np.flatnonzero(known >= rows["calm"]).tolist()
        for row in restless:
            if known[row] - rows["biased"][row] == self._history:
                self._forget(row)
        self._places[np.arange(len(rows)), known] = tokens
        known += 1
        for row in restless:
            self._work_out(row)

    def _forget(self, row: int) -> None:
        """Drop the oldest token that has no bias."""
        state = self._rows[row]
        oldest, known = int(state["biased"]), int(state["known"])
        self._places[row, oldest : known - 1] = self._places[row, oldest + 1 : known]
        state["known"] -= 1
        state["prompt"] = max(int(state["prompt"]) - 1, 0)

    def _work_out(self, row: int) -> None:
        """Say anew what is done to each of a row's tokens."""
        state = self._rows[row]
        known, oldest = int(state["known"]), int(state["biased"])
        tokens = self._places[row, :known]
        seen, written = tokens[oldest:], tokens[oldest + int(state["prompt"]) :]
        bias = self._bias.get(row, {})
        changes = self._changes[:, row]
        changes[0, :known] = [bias.get(token, 0) for token in tokens.tolist()] if bias else 0
        changes[1, :known] = np.where(np.isin(tokens, seen), state["repetition"], 1)
        changes[2, :known] = np.where(np.isin(tokens, written), state["presence"], 0)
        plain = known and not bias and state["presence"] == 0
        state["calm"] = self._history if plain else 0
        # Token 0 stands, unchanged, where there is none.
        self._places[row, known:] = tokens[0] if known else 0
        changes[:, known:] = changes[:, :1] if known else [[0], [1], [0]]

    def _widen(self, width: int) -> None:
        more = width - self._places.shape[1]
        if more > 0:
            self._places = np.pad(self._places, ((0, 0), (0, more)), mode="edge")
            self._changes = np.pad(self._changes, ((0, 0), (0, 0), (0, more)), mode="edge")
