"""Choose the next token of every running text at once, from what a step drew.

Nothing here depends on the row a text is in or on its neighbours: randomness is a function of a
text's seed and position, and each row's sums are made in the same order whatever the batch is.
The order of the filters is that of Hugging Face's generation: bias, penalties, temperature, top-k,
top-p, min-p.

What touches the whole vocabulary is done before, for all rows, as this module wishes (`draws`).
Here a row whose token was refused draws again, as does one with top-k, which has only a few
candidates.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
    inside,
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

_AHEAD, _ATTEMPTS = 64, 4
"""Positions of a text, and attempts at each, whose random numbers are made at once: making one
costs as much as making many."""

_PATIENCE = 32
"""Attempts after which all tokens that are left are asked for, not one after the other."""

_LEAST_NUCLEUS = 1e-300
"""A share of all weight that is above 0 and below the weight of any token."""

_ROW = np.dtype(
    [
        ("temperature", "f4"),
        ("top_k", "i8"),
        ("top_p", "f8"),
        ("min_p", "f4"),
        ("seed", "u8"),
        ("position", "u8"),
        ("numbered", "i8"),
        ("greedy", "?"),
        ("limited", "?"),
        ("watched", "?"),
    ],
    align=True,
)
"""The sampling of a row as a step takes it; how much it had written when its batch began, and from
where on its random numbers are made."""


@dataclass
class _Batch:
    """What the first rows wish as long as none of them changes."""

    rows: NDArray[np.void]
    fixed: dict[str, NDArray[Any]]
    candidates: int
    watched: list[int]
    random: Doubles
    """Of the attempts at the next steps, (attempts, steps, B, 1)."""
    step: int = 0
    """Steps made so far."""

    @property
    def ended(self) -> bool:
        """Whether there are no more random numbers."""
        return self.step == self.random.shape[1]


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
        self._random = np.zeros((_ATTEMPTS, slots, _AHEAD))
        """Each text's numbers, from its last multiple of `_AHEAD` on."""
        self._batch: _Batch | None = None
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
        self._disband()
        greedy = sampling.temperature < COLDEST
        whole = greedy or sampling.top_p >= 1
        self._rows[row] = (
            1 if greedy else sampling.temperature,
            sampling.top_k,
            np.inf if whole else max(sampling.top_p, _LEAST_NUCLEUS),
            0 if greedy else sampling.min_p,
            seed % 2**64,
            len(written),
            NONE,
            greedy,
            not greedy and 0 < sampling.top_k < self._vocabulary,
            bool(sampling.bad_words) or sampling.max_copied_words > 0,
        )
        self._penalties.enter(row, sampling, prompt, written)
        self._reports.pop(row, None)
        if sampling.logprobs is not None:
            self._reports[row] = sampling.logprobs

    def move(self, source: int, target: int) -> None:
        """Put the text of one row into another."""
        self._disband()
        self._rows[target] = self._rows[source]
        self._random[:, target] = self._random[:, source]
        self._penalties.move(source, target)
        self._reports.pop(target, None)
        if source in self._reports:
            self._reports[target] = self._reports.pop(source)

    def wishes(self, count: int) -> Wishes:
        """Return what the first `count` rows want of this step."""
        batch = self._batch
        if not batch or len(batch.rows) != count or batch.ended:
            batch = self._gather(count)
        return Wishes(
            *self._penalties.of_first(count),
            **batch.fixed,
            random=batch.random[0, batch.step],
            candidates=batch.candidates,
        )

    def choose(self, draws: Draws, refuses: Refuses) -> Ints:
        """Return the next token (B,) of each of the first B rows, of whose `wishes` these came.

        `DAMAGED` stands where logits are not finite, and `NONE` where `refuses`, which is asked
        for rows that must not hold some words only, leaves no token.
        """
        batch = self._batch or self._gather(len(draws.tokens))
        tokens = draws.tokens[:, 0].copy()
        if batch.watched or np.count_nonzero(draws.kept) < len(tokens):
            self._mend(batch, tokens, draws, refuses)
        self.likelihoods = {
            row: self._likelihood(draws, row, int(tokens[row]), count)
            for row, count in self._reports.items()
            if row < len(tokens) and tokens[row] >= 0
        }
        batch.step += 1
        self._penalties.add(tokens)
        return tokens

    def _disband(self) -> None:
        """Note how far the rows of the batch have come: it is about to change."""
        if self._batch:
            self._batch.rows["position"] += np.uint64(self._batch.step)
            self._batch = None

    def _gather(self, count: int) -> _Batch:
        """Work out what the first rows wish, for as many steps as all have random numbers."""
        self._disband()
        rows = self._rows[:count]
        places = (rows["position"] % np.uint64(_AHEAD)).astype(np.intp)
        starts = rows["position"].astype(np.int64) - places
        for row in np.flatnonzero(rows["numbered"] != starts):
            self._random[:, row] = _numbers(int(rows["seed"][row]), int(starts[row]))
        rows["numbered"] = starts
        steps = np.arange(_AHEAD - places.max())
        random = self._random[:, np.arange(count), steps[:, None] + places]
        # A row with top-k draws from its candidates alone: no token reaches an infinite share.
        floors = np.where(rows["limited"], np.float32(np.inf), rows["min_p"])
        columns = {
            "temperatures": rows["temperature"],
            "top_p": rows["top_p"],
            "min_p": floors,
            "greedy": rows["greedy"],
        }
        self._batch = _Batch(
            rows,
            {name: column[:, None].copy() for name, column in columns.items()},
            int((rows["top_k"] * rows["limited"]).max(initial=1)),
            np.flatnonzero(rows["watched"]).tolist(),
            random[..., None],
        )
        return self._batch

    def _mend(self, batch: _Batch, tokens: Ints, draws: Draws, refuses: Refuses) -> None:
        """Choose tokens for rows whose first one is not kept."""
        kept, finite = draws.kept[:, 0].copy(), np.isfinite(draws.whole[:, 0])
        for row in batch.watched:
            kept[row] = kept[row] and not refuses(row, int(tokens[row]))
        again = np.flatnonzero(~kept & finite)
        if len(again):
            self._again(batch, tokens, draws, again, refuses)
        tokens[~finite] = DAMAGED

    def _again(
        self, batch: _Batch, tokens: Ints, draws: Draws, rows: Ints, refuses: Refuses
    ) -> None:
        """Choose tokens for rows of which none was kept."""
        greedy, limited = self._rows["greedy"][rows], self._rows["limited"][rows]
        for row in rows[greedy]:
            tokens[row] = _next_likeliest(draws, int(row), refuses)
        if limited.any():
            self._draw_candidates(batch, tokens, draws, rows[limited], refuses)
        others = rows[~(greedy | limited)]
        for row, weights in zip(others.tolist(), draws.weights[others], strict=True):
            tokens[row] = self._redraw(batch, row, weights, int(tokens[row]), refuses)

    def _candidates(self, draws: Draws, rows: Ints) -> Floats:
        """Return the weights of the rows' top-k candidates, (len(rows), padded K)."""
        best = draws.best[rows]
        cooled = (best - best[:, :1]) / self._rows["temperature"][rows, None]
        wanted = np.arange(best.shape[1]) < self._rows["top_k"][rows, None]
        weights = np.zeros((len(rows), padded(best.shape[1])), np.float32)
        weights[:, : best.shape[1]] = np.where(wanted, np.exp(cooled), 0)
        return weights

    def _draw_candidates(
        self, batch: _Batch, tokens: Ints, draws: Draws, rows: Ints, refuses: Refuses
    ) -> None:
        """Choose tokens for rows with top-k, from their candidates."""
        weights, names = self._candidates(draws, rows), draws.best_tokens[rows]
        sums = running_sums(weights)
        found = pick(weights, sums, batch.random[0, batch.step][rows, 0])
        tokens[rows] = names[np.arange(len(rows)), found]
        state = self._rows[rows]
        nucleus, floor = state["top_p"] * sums[:, -1], state["min_p"] * weights.max(axis=1)
        again = ~inside(weights, found, nucleus, floor) | state["watched"]
        for at in np.flatnonzero(again).tolist():
            place = self._redraw(
                batch, int(rows[at]), weights[at], int(found[at]),
                lambda row, place, own=names[at]: refuses(row, int(own[place])),
            )  # fmt: skip
            # Where no candidate may be, the next one after them is the only candidate.
            next_one = _next_likeliest(draws, int(rows[at]), refuses) if place == NONE else None
            tokens[rows[at]] = names[at, place] if next_one is None else next_one

    def _redraw(
        self, batch: _Batch, row: int, weights: Floats, found: int, refuses: Refuses
    ) -> int:
        """Draw from a row's weights (N,) until a token is let through, and return its index.

        `found` is the first one drawn; if it is let through, it is returned. `NONE` where all are
        refused.
        """
        state, every = self._rows[row], weights
        nucleus, floor = state["top_p"] * every.sum(), state["min_p"] * every.max()
        token, tokens = found, None
        for attempt, number in enumerate(self._later_numbers(batch, row)):
            left = np.flatnonzero(weights > weights[found])
            if weights[found] >= floor and weights[left].sum() < nucleus:
                if not (state["watched"] and refuses(row, token)):
                    return token
                every[token] = 0
                tokens = np.flatnonzero(every)
                if attempt >= _PATIENCE:
                    tokens = tokens[[not refuses(row, one) for one in tokens.tolist()]]
                    every[np.delete(np.arange(len(every)), tokens)] = 0
                if not len(tokens):
                    break
                weights = every[tokens]
                # The filters are those of what is left, as if the refused had no weight.
                nucleus, floor = state["top_p"] * weights.sum(), state["min_p"] * weights.max()
            else:
                tokens = left if tokens is None else tokens[left]
                weights = weights[left]
            reach = weights.cumsum(dtype=np.float64)
            found = int(reach.searchsorted(number * reach[-1], side="right"))
            token = int(tokens[found])
        return NONE

    def _later_numbers(self, batch: _Batch, row: int) -> Iterator[float]:
        """Yield the random numbers of a row's attempts after the first."""
        yield from batch.random[1:, batch.step, row, 0]
        seed, start = (int(self._rows[name][row]) for name in ("seed", "position"))
        for attempt in itertools.count(_ATTEMPTS, _ATTEMPTS):
            yield from _numbers(seed, start + batch.step, attempt)[:, 0]

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


def _numbers(seed: int, start: int, first: int = 0) -> Doubles:
    """Return a seed's random numbers (attempts, positions), from a position and an attempt on."""
    shape = _ATTEMPTS, _AHEAD
    attempts, positions = np.indices(shape, np.uint64).reshape(2, -1)
    seeds = np.full(len(attempts), seed, np.uint64)
    numbers = uniform(seeds, positions + np.uint64(start), attempts + np.uint64(first))
    return numbers.reshape(shape)


def _next_likeliest(draws: Draws, row: int, refuses: Refuses) -> int:
    """Return the likeliest token that is not refused."""
    logits = draws.logits[np.array([row])][0]
    order = np.argsort(-logits, kind="stable")
    for token in order[: np.count_nonzero(logits > -np.inf)].tolist():
        if not refuses(row, token):
            return token
    return NONE
