"""Choose the next token of every running text at once, from the logits of a step.

Nothing here depends on the row a text is in or on its neighbours: randomness is a function of a
text's seed and position, and each row's sums are made in the same order whatever the batch is.
The order of the filters is that of Hugging Face's generation: bias, penalties, temperature, top-k,
top-p, min-p.

Top-p is exact without sorting: a token is drawn from the whole distribution and kept if it is in
the nucleus; else all tokens as unlikely as it are dropped, and another is drawn (rejection
sampling as in FlashInfer, "Sorting-Free GPU Kernels for LLM Sampling", 2025). Most draws are kept
at once, whatever the vocabulary's size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backends.decoding.philox import uniform
from backends.vocabulary import Sampling

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Refuses = Callable[[int, int], bool]
"""Whether the text in a row must not go on with a token."""

COLDEST = 1e-6
"""The temperature below which float32 tells no token but the likeliest: greedy."""
NONE = -1
"""Stands where every token is refused."""
DAMAGED = -2
"""Stands where logits are not finite."""

_BLOCK = 256
"""Weights are summed in blocks of this many, so that a draw need not add up all of them."""
_TOP_BLOCK = 64
_PART = 4
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
        blocks = -(-vocabulary // _BLOCK)
        self._vocabulary = vocabulary
        self._rows = np.zeros(slots, _ROW)
        # Behind its newest token a row repeats its oldest: penalising that twice changes nothing.
        self._seen = np.zeros((slots, history), np.int64)
        self._random = np.zeros((slots, _AHEAD))
        """The numbers of each text's first attempts, from its last multiple of `_AHEAD` on."""
        self._bias: dict[int, tuple[Ints, Floats]] = {}
        self._reports: dict[int, int] = {}
        self._weights = np.zeros((slots, blocks * _BLOCK), np.float32)
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
            sampling.repetition_penalty,
            sampling.presence_penalty,
            seed % 2**64,
            len(written),
            greedy,
            bool(sampling.bad_words),
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

    def choose(self, logits: Floats, refuses: Refuses) -> Ints:
        """Return the next token of each of the first B rows for logits (B, vocabulary).

        The logits are overwritten. `DAMAGED` stands where they are not finite, and `NONE` where
        `refuses`, which is asked for rows with banned words only, leaves no token.
        """
        rows = self._rows[: len(logits)]
        plain = {row: logits[row].copy() for row in self._reports if row < len(rows)}
        self._add_bias(logits)
        self._penalise(logits, rows)
        highest = logits.max(axis=1)
        # A single number that is none makes the row's highest one none, too.
        finite = np.isfinite(highest)
        tokens = np.full(len(rows), DAMAGED)
        likeliest = np.flatnonzero(rows["greedy"] & finite)
        if len(likeliest):
            tokens[likeliest] = self._likeliest(logits, likeliest, refuses)
        if len(likeliest) < len(rows):
            self._weigh(logits, highest, rows)
            drawn = np.flatnonzero(~rows["greedy"] & finite)
            tokens[drawn] = self._draw(drawn, refuses)
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

    def _add_bias(self, logits: Floats) -> None:
        for row, (tokens, bias) in self._bias.items():
            if row < len(logits):
                logits[row, tokens] += bias

    def _penalise(self, logits: Floats, rows: NDArray[np.void]) -> None:
        """Lower tokens seen before (repetition: Keskar et al. 2019, section 4.1)."""
        if (rows["repetition"] != 1).any():
            seen = self._seen[: len(rows), : rows["seen"].max()]
            places = seen + np.arange(0, logits.size, logits.shape[1])[:, None]
            penalty = np.where(rows["seen"] > 0, rows["repetition"], np.float32(1))[:, None]
            scores = logits.ravel().take(places)
            logits.ravel()[places] = np.where(scores > 0, scores / penalty, scores * penalty)
        for row in np.flatnonzero(rows["presence"]):
            written = self._seen[row, rows["prompt"][row] : rows["seen"][row]]
            logits[row, np.unique(written)] -= rows["presence"][row]

    def _likeliest(self, logits: Floats, rows: Ints, refuses: Refuses) -> Ints:
        tokens = (logits if len(rows) == len(logits) else logits[rows]).argmax(axis=1)
        for place in np.flatnonzero(self._rows["watched"][rows]):
            row = int(rows[place])
            while refuses(row, int(tokens[place])):
                logits[row, tokens[place]] = -np.inf
                tokens[place] = logits[row].argmax()
                if logits[row, tokens[place]] == -np.inf:
                    tokens[place] = NONE
                    break
        return tokens

    def _weigh(self, logits: Floats, highest: Floats, rows: NDArray[np.void]) -> None:
        """Turn logits into probabilities up to a factor, the likeliest token's being 1."""
        weights = self._weights[: len(rows), : self._vocabulary]
        with np.errstate(invalid="ignore"):  # rows that are not finite are not drawn from
            np.subtract(logits, highest[:, None], out=weights)
            if (rows["temperature"] != 1).any():
                np.divide(weights, rows["temperature"][:, None], out=weights)
            np.exp(weights, out=weights)
        limited = np.flatnonzero((rows["top_k"] > 0) & (rows["top_k"] < self._vocabulary))
        if len(limited):
            self._weights[limited] = keep_top(self._weights[limited], rows["top_k"][limited])

    def _draw(self, rows: Ints, refuses: Refuses) -> Ints:
        """Draw a token for each of the rows from their weights, which are used up."""
        chosen = np.full(len(rows), NONE)
        at = np.arange(len(rows))
        sums = self._sums(rows)
        whole = sums[:, -1]
        attempt = np.uint64(0)
        while len(at):
            tokens = self._pick(rows[at], sums, attempt)
            accepted = self._accepts(rows[at], tokens, whole[at])
            for place in np.flatnonzero(accepted & self._rows["watched"][rows[at]]):
                row, token = int(rows[at[place]]), int(tokens[place])
                if token != NONE and refuses(row, token):
                    accepted[place] = False
                    self._weights[row, token] = 0
            chosen[at[accepted]] = tokens[accepted]
            at = at[~accepted]
            sums = self._sums(rows[at])
            attempt += np.uint64(1)
        return chosen

    def _sums(self, rows: Ints) -> NDArray[np.float64]:
        """Return the sums of the blocks up to and with each, (len(rows), blocks)."""
        weights = self._of(self._weights, rows)
        blocks = weights.reshape(len(rows), weights.shape[1] // _BLOCK, _BLOCK).sum(axis=2)
        return blocks.cumsum(axis=1, dtype=np.float64)

    def _pick(self, rows: Ints, sums: NDArray[np.float64], attempt: np.uint64) -> Ints:
        """Return a token of each row, as likely as its weight; `NONE` where all weights are 0."""
        state = self._rows[rows]
        if attempt == 0:
            random = self._random[rows, (state["position"] % np.uint64(_AHEAD)).astype(np.intp)]
        else:
            random = uniform(state["seed"], state["position"], np.full(len(rows), attempt))
        goal = random * sums[:, -1]
        block = (sums <= goal[:, None]).sum(axis=1)
        empty = block == sums.shape[1]
        block[empty] = 0
        here = self._weights.reshape(len(self._weights), -1, _BLOCK)[rows, block]
        reach = here.cumsum(axis=1, dtype=np.float64)
        before = np.where(block > 0, np.take_along_axis(sums, block[:, None] - 1, 1)[:, 0], 0)
        whole = np.take_along_axis(sums, block[:, None], 1)[:, 0] - before
        # A block's sum and the last of its running sums differ by rounding.
        share = np.divide(goal - before, whole, out=np.zeros(len(rows)), where=whole > 0)
        inner = (reach <= np.minimum(share, _BELOW_ONE)[:, None] * reach[:, -1:]).sum(axis=1)
        return np.where(empty, NONE, block * _BLOCK + inner)

    def _accepts(self, rows: Ints, tokens: Ints, whole: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which tokens top-p and min-p let through; from other rows drop what is no likelier.

        `whole` (len(rows),) are the sums of all weights. The nucleus is the likeliest tokens that
        together reach the share top-p of it, and all tokens as likely as its last one.
        """
        state = self._rows[rows]
        own = self._weights[rows, tokens]
        fine = (tokens == NONE) | (own >= state["min_p"])
        inside = state["top_p"] >= 1
        if not inside.all():
            # A part of the vocabulary is enough to see that much of the rest is no likelier.
            part = self._of(self._weights, rows)[:, : self._weights.shape[1] // _PART]
            not_likelier = np.multiply(part, part <= own[:, None]).sum(axis=1)
            inside |= not_likelier > (1 - state["top_p"]) * whole
        unsure = np.flatnonzero(~(inside & fine))
        if len(unsure):
            likelier = self._weights[rows[unsure]]
            likelier *= likelier > own[unsure, None]
            above = likelier.sum(axis=1)
            inside[unsure] |= (above == 0) | (above < state["top_p"][unsure] * whole[unsure])
            refused = ~(inside & fine)[unsure]
            self._weights[rows[unsure[refused]]] = likelier[refused]
        return inside & fine

    def _of(self, weights: Floats, rows: Ints) -> Floats:
        """Return the weights of ascending rows, without a copy where those are the first ones."""
        first = len(rows) and rows[-1] == len(rows) - 1
        return weights[: len(rows)] if first else weights[rows]

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


_BELOW_ONE = 1 - 2.0**-53


def keep_top(weights: Floats, counts: Ints) -> Floats:
    """Return weights (B, N) with all but each row's `counts` (B,) largest set to 0.

    Of equal weights those with the lower index are kept. N is a multiple of the block size.
    """
    blocks = -np.sort(-weights.reshape(len(weights), -1, _TOP_BLOCK).max(axis=2), axis=1)
    # As many blocks have a maximum of at least this: as many weights are at least this.
    deciding = np.minimum(counts, blocks.shape[1]) - 1
    floor = np.take_along_axis(blocks, deciding[:, None], 1)
    floor[counts > blocks.shape[1]] = 0
    places = np.flatnonzero((weights >= floor) & (weights > 0))
    row, values = places // weights.shape[1], weights.ravel()[places]
    order = np.lexsort((places, -values, row))
    row, places, values = row[order], places[order], values[order]
    starts = np.searchsorted(row, np.arange(len(weights)))
    kept = np.arange(len(row)) - starts[row] < counts[row]
    result = np.zeros_like(weights)
    result.ravel()[places[kept]] = values[kept]
    return result


def _likelihood(logits: Floats, token: int, count: int) -> Likelihood:
    """Return what the model itself thought of a token, from its logits (vocabulary,)."""
    scores = logits.astype(np.float64) - logits.max()
    scores -= np.log(np.exp(scores).sum())
    top = np.argpartition(-scores, min(count, len(scores) - 1))[:count]
    best = sorted((-float(scores[i]), int(i)) for i in top)
    return Likelihood(float(scores[token]), [(i, -score) for score, i in best])
