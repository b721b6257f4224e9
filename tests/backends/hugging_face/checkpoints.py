"""What the tests of this package serve, and a tokenizer as SentencePiece makes them."""

import json
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers

from backends import Backend, ModelSpec, Value
from backends.hugging_face import open_optimum, open_transformers
from backends.hugging_face.backend import HuggingFaceBackend
from tests.models import END, SENTENCES

BEGIN, UNKNOWN = "<s>", "<unk>"
OPEN = {"transformers": open_transformers, "optimum": open_optimum}


def sentencepiece_tokenizer() -> Tokenizer:
    """Return a BPE of characters that writes as bytes what it does not know.

    Its texts begin with token 0, `BEGIN`.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=200, special_tokens=[BEGIN, END, UNKNOWN], show_progress=False
    )
    plain = [sentence for sentence in SENTENCES if sentence.isascii()]
    tokenizer.train_from_iterator(plain * 3, trainer)
    stored: dict[str, Any] = json.loads(tokenizer.to_str())
    known = stored["model"]["vocab"]
    known |= {f"<0x{byte:02X}>": len(known) + byte for byte in range(256)}
    tokenizer = Tokenizer.from_str(json.dumps(stored))
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, 0)]
    )
    return tokenizer


def exported(checkpoint: Path, path: Path, task: str = "text-generation-with-past") -> Path:
    """Export a checkpoint as `optimum-cli export onnx` does."""
    from optimum.exporters.onnx import main_export

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, dozens of lines
        main_export(str(checkpoint), output=path, task=task, do_validation=False)
    return path


@asynccontextmanager
async def serving(backend: str, path: Path, **options: Value) -> AsyncIterator[HuggingFaceBackend]:
    """Serve a directory as the bot does."""
    opened: Backend = await OPEN[backend](ModelSpec("tiny", backend, path, options))
    assert isinstance(opened, HuggingFaceBackend)
    try:
        yield opened
    finally:
        await opened.aclose()
