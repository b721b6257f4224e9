"""Models made once for all tests of the package. Not to be written to."""

from pathlib import Path

import pytest

from tests.backends.hugging_face.checkpoints import exported, sentencepiece_tokenizer
from tests.models import tiny_checkpoint, tiny_llama


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of checkpoints, `gpt2` and `llama`, and of what Optimum exports from them."""
    folder = tmp_path_factory.mktemp("hugging-face")
    tiny_checkpoint(folder / "gpt2")
    tiny_llama(folder / "llama", tokenizer=sentencepiece_tokenizer())
    for name in ("gpt2", "llama"):
        exported(folder / name, folder / f"{name}-onnx")
    return folder


@pytest.fixture(scope="session")
def gpt2(models: Path) -> Path:
    """A checkpoint of a tiny GPT-2."""
    return models / "gpt2"
