"""Choose the next token of every running text at once, from the logits of a step.

Nothing here depends on the row a text is in or on its neighbours: randomness is a function of a
text's seed and position, and each row's sums are made in the same order whatever the batch is.
The order of the filters is that of Hugging Face's generation: bias, penalties, temperature, top-k,
top-p, min-p.

What touches the whole vocabulary, the softmax, can be made by the graph, which has all cores; what
concerns a few tokens, such as penalties, is mended in its result here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.decoding.philox import uniform
from backends.decoding.weights import (
    NONE,
    Floats,
    Ints,
    accept,
    keep_top,
    padded,
    pick,
    running_sums,
)
from backends.vocabulary import Sampling

Refuses = Callable[[int, int], bool]
"""Whether the text in a row must not go on with a token."""

COLDEST = 1e-6
"""The temperature below which float32 tells no token but the likeliest: greedy."""
DAMAGED = -2
"""Stands where logits are not finite."""

_FAINT = 1e-10
"""A row whose weights sum up to less may have lost tokens to float32: they are made anew."""
_AHEAD = 32
"""Random numbers of a text made at once: making one costs as much as making many."""

_ROW = np.dtype(
    [
        ("temperature", "f4"),
        ("top_k", "i8"),
        ("top_p", "f8"),
        ("min_p", "f4"),
        ("repetition", "f4"),
        ("presence", "f4"),
        ("seed", "u8"),
        ("position", "u8"),
        ("greedy", "?"),
        ("watched", "?"),
        ("prompt", "i8"),
        ("seen", "i8"),
    ]
)
"""What is known of a row: its sampling, and how much it has read and written."""


@dataclass(frozen=True)
class Likelihood:
    """The log-probability of a chosen token, and of the likeliest there, likeliest first."""

    chosen: float
    top: list[tuple[int, float]]


class Sampler:
    """The sampling of as many texts as there are slots; row i is slot i."""

    def __init__(self, slots: int, vocabulary: int, history: int) -> None:
        """Remember at most the newest `history` tokens of a text for its penalties."""
        self._vocabulary = vocabulary
        self._rows = np.zeros(slots, _ROW)
        # Behind its newest token a row repeats its oldest: penalising that twice changes nothing.
        self._seen = np.zeros((slots, history), np.int64)
        self._random = np.zeros((slots, _AHEAD))
        """The numbers of each text's first attempts, from its last multiple of `_AHEAD` on."""
        self._bias: dict[int, tuple[Ints, Floats]] = {}
        self._reports: dict[int, int] = {}
        self._weights = np.zeros((0, padded(vocabulary)), np.float32)
        """Of this step: a token's probability up to a factor of the row's own, (B, padded)."""
        self.likelihoods: dict[int, Likelihood] = {}
        """After `choose`: by row, where log-probabilities are asked for."""

    @property
    def temperatures(self) -> Floats:
        """The temperature of each row, (slots,), by which to divide its logits."""
        return self._rows["temperature"]

    def enter(
        self,
        row: int,
        sampling: Sampling,
        seed: int,
        prompt: Sequence[int] = (),
        written: Sequence[int] = (),
    ) -> None:
        """Begin a text in a row, or go on with one of which some is `written`.

        The repetition penalty counts `prompt` and what is written, the presence penalty only that.
        """
        greedy = sampling.temperature < COLDEST
        self._rows[row] = (
            1 if greedy else sampling.temperature,
            sampling.top_k,
            sampling.top_p,
            sampling.min_p,
            sampling.repetition_penalty,
            sampling.presence_penalty,
            seed % 2**64,
            len(written),
            greedy,
            bool(sampling.bad_words) or sampling.max_copied_words > 0,
            0,
            0,
        )
        self._prepare_random(row)
        self._drop_extras(row)
        known = {token: bias for token, bias in sampling.logit_bias.items() if self._knows(token)}
        if known:
            self._bias[row] = (np.array([*known]), np.array([*known.values()], np.float32))
        if sampling.logprobs is not None:
            self._reports[row] = sampling.logprobs
        known_prompt = list(dict.fromkeys(prompt))
        newest = [*known_prompt, *written][-self._seen.shape[1] :]
        if newest:
            self._seen[row] = newest[0]
            self._seen[row, : len(newest)] = newest
        self._rows[row]["seen"] = len(newest)
        self._rows[row]["prompt"] = max(len(newest) - len(written), 0)

    def move(self, source: int, target: int) -> None:
        """Put the text of one row into another."""
        self._rows[target] = self._rows[source]
        self._seen[target] = self._seen[source]
        self._random[target] = self._random[source]
        self._drop_extras(target)
        if source in self._bias:
            self._bias[target] = self._bias.pop(source)
        if source in self._reports:
            self._reports[target] = self._reports.pop(source)

    def choose(self, logits: Floats, refuses: Refuses, weights: Floats | None = None) -> Ints:
        """Return the next token of each of the first B rows for logits (B, vocabulary).

        `weights` (B, padded vocabulary) are softmax(logits / temperatures) with zeros behind;
        without them they are made here. Both are overwritten. `DAMAGED` stands where logits are
        not finite, and `NONE` where `refuses`, which is asked for rows that must not hold some
        words only, leaves no token.
        """
        rows = self._rows[: len(logits)]
        plain = {row: logits[row].copy() for row in self._reports if row < len(rows)}
        stale = self._take(weights, len(rows))
        stale |= self._add_bias(logits)
        stale |= self._penalise(logits, rows)
        tokens = np.full(len(rows), DAMAGED)
        likeliest = np.flatnonzero(rows["greedy"])
        if len(likeliest):
            tokens[likeliest] = self._likeliest(logits, likeliest, refuses)
        if len(likeliest) < len(rows):
            drawn = np.flatnonzero(~rows["greedy"])
            self._weigh(logits, drawn[stale[drawn]])
            tokens[drawn] = self._draw(logits, drawn, refuses)
        self._remember(tokens, rows)
        self.likelihoods = {
            row: _likelihood(scores, int(tokens[row]), self._reports[row])
            for row, scores in plain.items()
            if tokens[row] >= 0
        }
        return tokens

    def _prepare_random(self, row: int) -> None:
        state = self._rows[row]
        start = int(state["position"]) // _AHEAD * _AHEAD
        positions = np.arange(start, start + _AHEAD, dtype=np.uint64)
        self._random[row] = uniform(
            np.full(_AHEAD, state["seed"]), positions, np.zeros(_AHEAD, np.uint64)
        )

    def _knows(self, token: int) -> bool:
        return 0 <= token < self._vocabulary

    def _drop_extras(self, row: int) -> None:
        self._bias.pop(row, None)
        self._reports.pop(row, None)

    def _take(self, weights: Floats | None, count: int) -> NDArray[np.bool_]:
        """Work on the weights given; returns which rows have none yet, (count,)."""
        if weights is None and len(self._weights) < len(self._rows):
            self._weights = np.zeros((len(self._rows), padded(self._vocabulary)), np.float32)
        elif weights is not None:
            self._weights = weights
        return np.full(count, weights is None)

    def _add_bias(self, logits: Floats) -> NDArray[np.bool_]:
        """Add each row's bias; returns which rows' weights are wrong now, (B,)."""
        stale = np.zeros(len(logits), np.bool_)
        for row, (tokens, bias) in self._bias.items():
            if row < len(logits):
                logits[row, tokens] += bias
                stale[row] = True
        return stale

    def _penalise(self, logits: Floats, rows: NDArray[np.void]) -> NDArray[np.bool_]:
        """Lower tokens seen before (repetition: Keskar et al. 2019, section 4.1).

        Weights are lowered with them; returns the rows where that cannot be, as a negative penalty
        could raise a weight beyond float32, (B,).
        """
        if (rows["repetition"] != 1).any():
            seen = self._seen[: len(rows), : rows["seen"].max()]
            each = np.arange(len(rows))[:, None]
            places = seen + each * logits.shape[1]
            penalty = np.where(rows["seen"] > 0, rows["repetition"], np.float32(1))[:, None]
            scores = logits.ravel().take(places)
            lowered = np.where(scores > 0, scores / penalty, scores * penalty)
            logits.ravel()[places] = lowered
            self._lower(seen + each * self._weights.shape[1], lowered - scores, rows)
        for row in np.flatnonzero(rows["presence"]):
            written = np.unique(self._seen[row, rows["prompt"][row] : rows["seen"][row]])
            logits[row, written] -= rows["presence"][row]
            places = written + row * self._weights.shape[1]
            self._lower(places[None], -rows["presence"][row], rows[row : row + 1])
        return (rows["repetition"] < 1) | (rows["presence"] < 0)

    def _lower(self, places: Ints, by: Floats, rows: NDArray[np.void]) -> None:
        """Change the weights at flat places (len(rows), N) as if their logits had changed `by`."""
        weights = self._weights.ravel()
        # What is not finite shows in the sum of the weights.
        with np.errstate(invalid="ignore", over="ignore"):
            factor = np.exp(by / rows["temperature"][:, None])
            weights[places] = weights.take(places) * factor

    def _likeliest(self, logits: Floats, rows: Ints, refuses: Refuses) -> Ints:
        tokens = (logits if len(rows) == len(logits) else logits[rows]).argmax(axis=1)
        # A single number that is none is taken for the highest one.
        damaged = ~np.isfinite(logits[rows, tokens])
        for place in np.flatnonzero(self._rows["watched"][rows] & ~damaged):
            row = int(rows[place])
            while refuses(row, int(tokens[place])):
                logits[row, tokens[place]] = -np.inf
                tokens[place] = logits[row].argmax()
                if logits[row, tokens[place]] == -np.inf:
                    tokens[place] = NONE
                    break
        return np.where(damaged, DAMAGED, tokens)

    def _weigh(self, logits: Floats, rows: Ints) -> None:
        """Make the weights of some rows from their logits, the likeliest token's being 1."""
        for row in rows:
            weights = self._weights[row, : self._vocabulary]
            with np.errstate(invalid="ignore"):  # what is not finite shows in the sum
                np.subtract(logits[row], logits[row].max(), out=weights)
                np.divide(weights, self._rows["temperature"][row], out=weights)
                np.exp(weights, out=weights)

    def _draw(self, logits: Floats, rows: Ints, refuses: Refuses) -> Ints:
        """Draw a token for each of the rows from their weights, which are used up."""
        sums = self._whole_sums(logits, rows)
        whole = sums[:, -1]
        finite = np.isfinite(whole)
        chosen = np.where(finite, NONE, DAMAGED)
        floor = self._floor(rows)
        at = np.flatnonzero(finite)
        sums = sums[at]
        attempt = np.uint64(0)
        while len(at):
            tokens = pick(self._weights, rows[at], sums, self._numbers(rows[at], attempt))
            top_p = self._rows["top_p"][rows[at]]
            accepted = accept(
                self._weights, rows[at], tokens, top_p * whole[at], whole[at], floor[at]
            )
            for place in np.flatnonzero(accepted & self._rows["watched"][rows[at]]):
                row, token = int(rows[at[place]]), int(tokens[place])
                if token != NONE and refuses(row, token):
                    accepted[place] = False
                    self._weights[row, token] = 0
            chosen[at[accepted]] = tokens[accepted]
            at = at[~accepted]
            sums = running_sums(self._weights, rows[at])
            attempt += np.uint64(1)
        return chosen

    def _numbers(self, rows: Ints, attempt: np.uint64) -> NDArray[np.float64]:
        """Return random numbers from 0 to 1, one of each row's text at its position."""
        state = self._rows[rows]
        if attempt == 0:
            return self._random[rows, (state["position"] % np.uint64(_AHEAD)).astype(np.intp)]
        return uniform(state["seed"], state["position"], np.full(len(rows), attempt))

    def _whole_sums(self, logits: Floats, rows: Ints) -> NDArray[np.float64]:
        """Return running sums, faint rows weighed anew and what top-k leaves out dropped."""
        sums = running_sums(self._weights, rows)
        top_k = self._rows["top_k"][rows]
        faint = sums[:, -1] < _FAINT
        limited = (top_k > 0) & (top_k < self._vocabulary)
        self._weigh(logits, rows[faint])
        if limited.any():
            self._weights[rows[limited]] = keep_top(self._weights[rows[limited]], top_k[limited])
        changed = np.flatnonzero(faint | limited)
        if len(changed):
            sums[changed] = running_sums(self._weights, rows[changed])
        return sums

    def _floor(self, rows: Ints) -> Floats:
        """Return the least weight that min-p lets through, (len(rows),)."""
        floor = self._rows["min_p"][rows]
        for place in np.flatnonzero(floor):
            floor[place] *= self._weights[rows[place]].max()
        return floor

    def _remember(self, tokens: Ints, rows: NDArray[np.void]) -> None:
        """Note the new tokens for the penalties; beyond the memory the oldest written are lost."""
        rows["position"] += np.uint64(1)
        for row in np.flatnonzero(rows["position"] % np.uint64(_AHEAD) == 0):
            self._prepare_random(int(row))
        first = np.flatnonzero(rows["seen"] == 0)
        self._seen[first] = tokens[first][:, None]
        history = self._seen.shape[1]
        full = np.flatnonzero(rows["seen"] == history)
        if len(full):
            self._seen[full, :-1] = self._seen[full, 1:]
            rows["seen"][full] -= 1
            rows["prompt"][full] = np.maximum(rows["prompt"][full] - 1, 0)
        self._seen[np.arange(len(rows)), rows["seen"]] = tokens
        rows["seen"] += 1


def _likelihood(logits: Floats, token: int, count: int) -> Likelihood:
    """Return what the model itself thought of a token, from its logits (vocabulary,)."""
    scores = logits.astype(np.float64) - logits.max()
    scores -= np.log(np.exp(scores).sum())
    top = np.argpartition(-scores, min(count, len(scores) - 1))[:count]
    best = sorted((-float(scores[i]), int(i)) for i in top)
    return Likelihood(float(scores[token]), [(i, -score) for score, i in best])
