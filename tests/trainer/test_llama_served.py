"""From a GGUF file to a text: export and the engine together."""

from pathlib import Path

import numpy as np
import pytest

from backends import ModelSpec, Prompt, Sampling, Usage
from backends.model_directory import read_card
from backends.onnx_engine import open_onnx
from tests.models import tiny_llama
from tests.trainer.gguf_files import write_gguf
from trainer.cli import main
from trainer.source import load_source


def export(source: Path, target: Path, *more: str) -> Path:
    assert main(["export", "--model", str(source), "--to", str(target), *more]) == 0
    return target


async def written(model: Path, text: str) -> tuple[str, Usage | None]:
    """The engine's greedy text and what it counted."""
    backend = await open_onnx(ModelSpec(name="tiny", backend="onnx", path=model))
    try:
        prompt = Prompt(text, Sampling(temperature=0, max_tokens=12))
        chunks = [chunk async for chunk in backend.generate(prompt)]
    finally:
        await backend.aclose()
    return "".join(chunk.text for chunk in chunks), chunks[-1].usage


async def test_a_gguf_file_is_exported_and_writes_what_transformers_writes(tmp_path: Path):
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    file = write_gguf(checkpoint, tmp_path / "tiny.gguf")
    held_out = tmp_path / "held-out.txt"
    held_out.write_text("What would you do if you could fly? " * 20)
    model = export(file, tmp_path / "model", "--data", str(held_out), "--precision", "fp32")
    card = read_card(model)
    assert (card.architecture.family, card.architecture.cached_heads) == ("llama", 2)
    assert (card.base, card.base_licence) == ("tiny.gguf", "apache-2.0")
    assert max(card.parity.values()) < 1e-3
    assert "fp32" in card.perplexity

    source = load_source(checkpoint)
    assert source.reference is not None
    tokens = source.tokenizer.encode("What would you").ids
    read = len(tokens)
    while len(tokens) < read + 12 and tokens[-1] != source.end_token:
        tokens.append(int(source.reference(np.array(tokens))[-1].argmax()))
    text, _ = await written(model, "What would you")
    assert text == source.tokenizer.decode(tokens[read:])


async def test_a_prompt_begins_with_the_token_that_the_tokenizer_puts_there(tmp_path: Path):
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    counted: list[int] = []
    for begins in (False, True):
        metadata = {"tokenizer.ggml.add_bos_token": begins}
        file = write_gguf(checkpoint, tmp_path / "tiny.gguf", metadata=metadata)
        _, usage = await written(export(file, tmp_path / "model"), "What")
        assert usage is not None
        counted.append(usage.prompt_tokens)
    assert counted[1] == counted[0] + 1


def test_a_context_that_is_cut_is_what_the_card_says(tmp_path: Path):
    checkpoint = tiny_llama(tmp_path / "checkpoint")
    model = export(checkpoint, tmp_path / "model", "--context", "32")
    assert read_card(model).architecture.context == 32


@pytest.mark.parametrize("text", [b"", b"GGUF", b"GGUF\3\0\0\0" + bytes(16), b"PK\3\4" * 100])
def test_what_is_no_gguf_file_is_told_in_a_sentence(
    text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "no.gguf").write_bytes(text)
    arguments = ["--model", str(tmp_path / "no.gguf"), "--to", str(tmp_path / "model")]
    assert main(["export", *arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"The checkpoint {tmp_path / 'no.gguf'} cannot be exported: it ")
    assert not (tmp_path / "model").exists()
