"""Choose the next token of every running text at once, from what a step drew.

Nothing here depends on the row a text is in or on its neighbours: randomness is a function of a
text's seed and position, and each row's sums are made in the same order whatever the batch is.
The order of the filters is that of Hugging Face's generation: bias, penalties, temperature, top-k,
top-p, min-p.

What touches the whole vocabulary is done before, for all rows, as this module wishes (`draws`).
Here a drawn token is kept or refused; a row whose token was refused draws again, as does one with
top-k, which has only a few candidates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.decoding.draws import Draws, Wishes
from backends.decoding.penalties import Penalties
from backends.decoding.philox import uniform
from backends.decoding.weights import (
    NONE,
    Doubles,
    Floats,
    Ints,
    accept,
    in_nucleus,
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

_AHEAD = 32
"""Random numbers of a text made at once: making one costs as much as making many."""

_ROW = np.dtype(
    [
        ("temperature", "f4"),
        ("top_k", "i8"),
        ("top_p", "f8"),
        ("min_p", "f4"),
        ("seed", "u8"),
        ("position", "u8"),
        ("greedy", "?"),
        ("limited", "?"),
        ("watched", "?"),
    ]
)
"""The sampling of a row, and how much it has written."""


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
        self._penalties = Penalties(slots, vocabulary, history)
        self._random = np.zeros((slots, _AHEAD))
        """The numbers of each text's first attempts, from its last multiple of `_AHEAD` on."""
        self._reports: dict[int, int] = {}
        self.likelihoods: dict[int, Likelihood] = {}
        """After `choose`: by row, where log-probabilities are asked for."""

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
            seed % 2**64,
            len(written),
            greedy,
            not greedy and 0 < sampling.top_k < self._vocabulary,
            bool(sampling.bad_words) or sampling.max_copied_words > 0,
        )
        self._prepare_random(row)
        self._penalties.enter(row, sampling, prompt, written)
        self._reports.pop(row, None)
        if sampling.logprobs is not None:
            self._reports[row] = sampling.logprobs

    def move(self, source: int, target: int) -> None:
        """Put the text of one row into another."""
        self._rows[target] = self._rows[source]
        self._random[target] = self._random[source]
        self._penalties.move(source, target)
        self._reports.pop(target, None)
        if source in self._reports:
            self._reports[target] = self._reports.pop(source)

    def wishes(self, count: int) -> Wishes:
        """Return what the first `count` rows want of this step."""
        rows = self._rows[:count]
        return Wishes(
            *self._penalties.of_first(count),
            temperatures=rows["temperature"][:, None],
            random=self._numbers(np.arange(count), 0)[:, None],
            candidates=int((rows["top_k"] * rows["limited"]).max(initial=1)),
        )

    def choose(self, draws: Draws, refuses: Refuses) -> Ints:
        """Return the next token (B,) of each of the first B rows, which wanted these draws.

        `DAMAGED` stands where logits are not finite, and `NONE` where `refuses`, which is asked
        for rows that must not hold some words only, leaves no token.
        """
        rows = self._rows[: len(draws.drawn)]
        finite = np.isfinite(draws.sums[:, 0])
        tokens = np.where(rows["greedy"], draws.best_tokens[:, 0], draws.drawn[:, 0])
        kept = rows["greedy"] | (_passes(rows, draws.sums) & ~rows["limited"])
        for row in np.flatnonzero(kept & rows["watched"] & finite):
            kept[row] = not refuses(int(row), int(tokens[row]))
        again = np.flatnonzero(~kept & finite)
        if len(again):
            self._again(tokens, draws, again, refuses)
        tokens[~finite] = DAMAGED
        self.likelihoods = {
            row: self._likelihood(draws, row, int(tokens[row]), count)
            for row, count in self._reports.items()
            if row < len(rows) and tokens[row] >= 0
        }
        self._remember(tokens, rows)
        return tokens

    def _prepare_random(self, row: int) -> None:
        state = self._rows[row]
        start = int(state["position"]) // _AHEAD * _AHEAD
        positions = np.arange(start, start + _AHEAD, dtype=np.uint64)
        self._random[row] = uniform(
            np.full(_AHEAD, state["seed"]), positions, np.zeros(_AHEAD, np.uint64)
        )

    def _numbers(self, rows: Ints, attempt: int) -> Doubles:
        """Return random numbers from 0 to 1, one of each row's text at its position."""
        positions = self._rows["position"][rows]
        if attempt == 0:
            return self._random[rows, (positions % np.uint64(_AHEAD)).astype(np.intp)]
        attempts = np.full(len(rows), attempt, np.uint64)
        return uniform(self._rows["seed"][rows], positions, attempts)

    def _again(self, tokens: Ints, draws: Draws, rows: Ints, refuses: Refuses) -> None:
        """Choose tokens for rows of which none was kept."""
        greedy, limited = self._rows["greedy"][rows], self._rows["limited"][rows]
        for row in rows[greedy]:
            tokens[row] = _next_likeliest(draws, int(row), refuses)
        if limited.any():
            few, names = rows[limited], draws.best_tokens
            weights = self._candidates(draws, few)
            first = pick(weights, running_sums(weights), self._numbers(few, 0))
            found = self._draw(
                weights, few, first, lambda row, at: refuses(row, int(names[row, at]))
            )
            tokens[few] = np.where(found == NONE, NONE, names[few, found])
        others = rows[~(greedy | limited)]
        if len(others):
            tokens[others] = self._draw(draws.weights[others], others, tokens[others], refuses)

    def _candidates(self, draws: Draws, rows: Ints) -> Floats:
        """Return the weights of the rows' top-k candidates, (len(rows), padded K)."""
        best = draws.best[rows]
        cooled = (best - best[:, :1]) / self._rows["temperature"][rows, None]
        wanted = np.arange(best.shape[1]) < self._rows["top_k"][rows, None]
        weights = np.zeros((len(rows), padded(best.shape[1])), np.float32)
        weights[:, : best.shape[1]] = np.where(wanted, np.exp(cooled), 0)
        return weights

    def _draw(self, weights: Floats, rows: Ints, found: Ints, refuses: Refuses) -> Ints:
        """Draw an index of each row from its weights (len(rows), N), which are used up.

        `found` are the first draws; others are made of rows where they are refused.
        """
        chosen = np.full(len(rows), NONE)
        state = self._rows[rows]
        whole = running_sums(weights)[:, -1]
        nucleus, floor = state["top_p"] * whole, state["min_p"] * weights.max(axis=1)
        at = np.arange(len(rows))
        attempt = 0
        while True:
            left = weights[at]
            accepted = accept(left, found, nucleus[at], whole[at], floor[at])
            for place in np.flatnonzero(accepted & state["watched"][at] & (found != NONE)):
                if refuses(int(rows[at[place]]), int(found[place])):
                    accepted[place] = False
                    left[place, found[place]] = 0
            chosen[at[accepted]] = found[accepted]
            weights[at] = left
            at = at[~accepted]
            if not len(at):
                return chosen
            attempt += 1
            found = pick(weights[at], running_sums(weights[at]), self._numbers(rows[at], attempt))

    def _remember(self, tokens: Ints, rows: NDArray[np.void]) -> None:
        """Note the new tokens for the penalties, and move on."""
        rows["position"] += np.uint64(1)
        for row in np.flatnonzero(rows["position"] % np.uint64(_AHEAD) == 0):
            self._prepare_random(int(row))
        self._penalties.add(tokens)

    def _likelihood(self, draws: Draws, row: int, token: int, count: int) -> Likelihood:
        """Return what the model itself thought of a token, before all changes."""
        logits = draws.logits[np.array([row])][0, : self._vocabulary]
        places = self._penalties.places(row)
        logits[places] = draws.plain[row, : len(places)]
        scores = logits.astype(np.float64) - logits.max()
        scores -= np.log(np.exp(scores).sum())
        top = np.argpartition(-scores, min(count, len(scores) - 1))[:count]
        best = sorted((-float(scores[i]), int(i)) for i in top)
        return Likelihood(float(scores[token]), [(i, -score) for score, i in best])


def _passes(rows: NDArray[np.void], sums: Doubles) -> NDArray[np.bool_]:
    """Tell which drawn tokens top-p and min-p let through, (B,)."""
    whole, own, above, largest = sums.T
    inside = in_nucleus(above, rows["top_p"] * whole, whole)
    return inside & (own >= rows["min_p"] * largest)


def _next_likeliest(draws: Draws, row: int, refuses: Refuses) -> int:
    """Return the likeliest token that is not refused."""
    logits = draws.logits[np.array([row])][0]
    while logits[token := int(logits.argmax())] > -np.inf:
        if not refuses(row, token):
            return token
        logits[token] = -np.inf
    return NONE
