"""Run `generate` of transformers with a choice of our own in place of its sampling.

`generate` knows what each architecture wants: caches, masks, positions. A logits processor sees
every step's logits, asks for a token, and leaves no other to pick.
"""

import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from backends.vocabulary import BackendError

Choose = Callable[[NDArray[np.float32]], int | None]
"""Returns the next token for logits (1, vocabulary), which it may overwrite; `None` ends."""


class Decoder:
    """A model of transformers or of Optimum. Not for several threads."""

    def __init__(self, model: Any, name: str) -> None:
        """Take over a model with its `generate`; `name` is for messages."""
        self._model: Any = model
        self._name = name
        self._device = model.device
        # What a checkpoint proposes for its sampling must not act behind the sampler's back.
        model.generation_config = GenerationConfig(pad_token_id=0, use_cache=True)

    def run(self, tokens: Sequence[int], limit: int, choose: Choose) -> None:
        """Read tokens, at least one, and then each that `choose` returns, at most `limit`.

        Raises `BackendError` where a GPU's memory is too small.
        """
        ids = torch.tensor([tokens], device=self._device)
        choice = _Choice(choose)
        with enough_memory(self._name):
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=limit,
                logits_processor=LogitsProcessorList([choice]),
                stopping_criteria=StoppingCriteriaList([_Ended(choice)]),
            )

    def close(self) -> None:
        """Free the model."""
        self._model = None
        torch.cuda.empty_cache()


class _Choice(LogitsProcessor):
    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self.ended = False

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> Any:
        token = self._choose(scores.float().cpu().numpy())
        self.ended = token is None
        only = torch.full_like(scores, -torch.inf)
        only[0, token or 0] = 0
        return only


class _Ended(StoppingCriteria):
    def __init__(self, choice: _Choice) -> None:
        self._choice = choice

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> Any:
        return torch.full((1,), self._choice.ended, device=input_ids.device)


@contextmanager
def enough_memory(name: str) -> Generator[None]:
    """Make a sentence of it where a GPU's memory runs out, and let go of what was cached."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        traceback.clear_frames(error.__traceback__)  # their tensors would live as long as it does
        torch.cuda.empty_cache()
        raise BackendError(
            f"The GPU's memory is too small for the model {name} now: ask for a shorter text, "
            "or try again when other models have ended theirs."
        ) from error
