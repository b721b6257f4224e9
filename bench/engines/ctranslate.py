"""CTranslate2: the checkpoint through its own converter, int8 weights."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer

from bench.engines import REPETITION_PENALTY, TEMPERATURE, TOP_P, cores

SAMPLING = {
    "sampling_temperature": TEMPERATURE,
    "sampling_topk": 0,
    "sampling_topp": TOP_P,
    "repetition_penalty": REPETITION_PENALTY,
}


class CTranslate:
    """A generator with one worker that has all threads."""

    name = "CTranslate2 int8"

    def __init__(self, checkpoint: Path) -> None:
        converted = checkpoint.parent / "ctranslate2"
        if not converted.exists():
            TransformersConverter(str(checkpoint)).convert(str(converted), quantization="int8")
        self._tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        self._generator = ctranslate2.Generator(
            str(converted), device="cpu", compute_type="int8",
            inter_threads=1, intra_threads=cores(),
        )  # fmt: skip

    def write(self, prompts: Sequence[str], new_tokens: int, seed: int) -> int:
        """Stream a single text; several are one batch, which is not streamed."""
        ctranslate2.set_random_seed(seed)
        if len(prompts) == 1:
            start = self._tokenizer.encode(prompts[0]).tokens
            return sum(1 for _ in self._generator.generate_tokens(
                start, max_length=new_tokens, **SAMPLING
            ))  # fmt: skip
        return self._batch(prompts, new_tokens)

    def write_up_to(self, prompts: Sequence[str], lengths: Sequence[int]) -> int:
        """Continue a batch, streaming; each text stops at its own length, the batch at the longest.

        A text that stops leaves the batch.
        """
        return self._batch(
            prompts, max(lengths), lambda step: step.step + 1 >= lengths[step.batch_id]
        )

    def close(self) -> None:
        self._generator.unload_model()

    def _batch(
        self,
        prompts: Sequence[str],
        longest: int,
        stops: Callable[[ctranslate2.GenerationStepResult], bool] | None = None,
    ) -> int:
        results: list[Any] = self._generator.generate_batch(
            [encoding.tokens for encoding in self._tokenizer.encode_batch(list(prompts))],
            max_batch_size=len(prompts), max_length=longest, callback=stops,
            include_prompt_in_result=False, **SAMPLING,
        )  # fmt: skip
        return sum(len(result.sequences_ids[0]) for result in results)
