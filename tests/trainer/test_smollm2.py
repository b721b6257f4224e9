"""Real pretrained weights, SmolLM2-135M-Instruct, where `make demo MODEL=smollm2` fetched them."""

import json
from pathlib import Path

import numpy as np
import pytest

from backends.onnx_engine.decoder import Decoder
from trainer.cli import main
from trainer.graph import build_graph, save_graph
from trainer.source import Source, load_source, load_tokenizer

FOLDER = Path(__file__).parents[2] / ".venv" / "smollm2"
FILES = sorted(FOLDER.rglob("SmolLM2-135M-Instruct.Q4_1.gguf"))
pytestmark = pytest.mark.skipif(
    not FILES, reason=f"{FOLDER} holds no SmolLM2: `make demo MODEL=smollm2` fetches it"
)

IDS = {
    "In 1999, 3.14!": [788, 216, 33, 41, 41, 41, 28, 216, 35, 30, 33, 36, 17],
    "café ☕ 日本語": [83, 1939, 2756, 4636, 242, 239, 17097, 241, 115, 40993, 179, 120, 248],
    "<|im_start|>user\nHi<|im_end|>\n": [1, 4093, 198, 26843, 2, 198],
}
"""Texts and the tokens that llama.cpp makes of them."""


@pytest.fixture(scope="module")
def source() -> Source:
    with pytest.MonkeyPatch.context() as patch:
        # Held against transformers by hand (docs/model-makers/other-architectures.md): it is slow.
        patch.setattr("trainer.source.load_reference", lambda path: None)
        return load_source(FILES[0], context=256)


@pytest.mark.parametrize("text", IDS)
def test_its_tokens_are_those_of_llama_cpp(text: str):
    assert load_tokenizer(FILES[0]).encode(text).ids == IDS[text]


def test_it_has_the_sizes_that_its_makers_state(source: Source):
    assert source.sizes.parameters == 134_515_008
    assert (source.sizes.heads, source.sizes.cached_heads, source.sizes.head_width) == (9, 3, 64)
    assert (source.end_token, source.licence) == (2, "apache-2.0")


FOLLOWING = {
    "The capital of France is": " Paris",
    "The opposite of hot is": " cold",
    "Once upon a time, in a small village": " nestled",
}
"""Texts and what llama.cpp finds likeliest to follow."""


def test_it_finds_likeliest_what_llama_cpp_does(source: Source, tmp_path: Path):
    save_graph(build_graph(source.weights, source.sizes, "int8"), tmp_path / "model.onnx")
    decoder = Decoder(tmp_path / "model.onnx", source.sizes, slots=1, threads=1)
    for text, following in FOLLOWING.items():
        tokens = np.array(source.tokenizer.encode(text).ids)
        likeliest = int(decoder.score(tokens)[-1].argmax())
        assert source.tokenizer.decode([likeliest]) == following


def test_adapters_are_finetuned_beside_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("trainer.loop.SAMPLE_TOKENS", 4)
    monkeypatch.chdir(tmp_path)
    texts = (f"What would you do with {n} cats and {n + 1} dogs?" for n in range(60))
    Path("titles.txt").write_text("\n".join(texts))
    settings = ["--steps", "3", "--batch-size", "4", "--context", "32", "--lr", "0.001"]
    asked = [
        "titles.txt",
        "--model",
        str(FILES[0]),
        "--run",
        "ask",
        "--threads",
        "1",
        "--no-export",
    ]
    assert main(["finetune", *asked, *settings, "--eval-every", "1", "--lora", "8"]) == 0
    lines = (tmp_path / "runs/ask/metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["val_loss"] for line in lines]
    assert losses[-1] < losses[0]
