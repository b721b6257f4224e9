import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

from backends import UserError
from tests.models import tiny_checkpoint, tiny_llama
from trainer.source import load_source, load_tokenizer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tiny_llama(tmp_path / "checkpoint")


def shard(checkpoint: Path) -> Path:
    """Split the file of weights in two, as large checkpoints are; returns the index."""
    weights = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(weights)}
    for file in set(files.values()):
        part = {name: weights[name] for name in weights if files[name] == file}
        save_file(part, checkpoint / file, metadata={"format": "pt"})
    index = checkpoint / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return index


def test_bf16_weights_are_read_as_they_are(checkpoint: Path):
    model = AutoModelForCausalLM.from_pretrained(checkpoint).bfloat16()
    model.save_pretrained(checkpoint)
    read = load_source(checkpoint).weights["embed_tokens.weight"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, model.model.embed_tokens.weight.detach().float().numpy())


def test_weights_in_shards_are_those_in_one_file(checkpoint: Path):
    whole = load_source(checkpoint)
    shard(checkpoint)
    parts = load_source(checkpoint)
    assert set(parts.weights) == set(whole.weights)
    for name, weight in whole.weights.items():
        np.testing.assert_array_equal(parts.weights[name], weight)
    assert len(parts.sha256) == 64
    assert parts.sha256 != whole.sha256


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": {"a": "../elsewhere"}}'])
def test_a_broken_index_of_shards_is_refused_with_a_sentence(index: str, checkpoint: Path):
    shard(checkpoint).write_text(index)
    with pytest.raises(UserError, match=r"its model.safetensors.index.json cannot be read"):
        load_source(checkpoint)


def test_a_shard_that_lacks_is_named(checkpoint: Path):
    shard(checkpoint)
    (checkpoint / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(UserError, match=r"it has no model-00002-of-00002\.safetensors"):
        load_source(checkpoint)


def test_numbers_of_an_unknown_kind_are_refused(checkpoint: Path):
    weights = load_file(checkpoint / "model.safetensors")
    weights["model.norm.weight"] = np.ones(64, np.int8)
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"its tensor model.norm.weight holds int8"):
        load_source(checkpoint)


@pytest.mark.parametrize("text", ["", "{", '{"model": {"type": "WordPiece"}}'])
def test_a_broken_tokenizer_is_refused_with_a_sentence(text: str, checkpoint: Path):
    (checkpoint / "tokenizer.json").write_text(text)
    for load in (load_source, load_tokenizer):
        with pytest.raises(UserError, match=r"its tokenizer.json cannot be read"):
            load(checkpoint)


@pytest.mark.parametrize("make", [tiny_checkpoint, tiny_llama])
def test_without_torch_a_directory_is_read_and_nothing_to_compare_with(make, tmp_path: Path):
    checkpoint = make(tmp_path / "checkpoint")
    program = (
        "import sys\n"
        "sys.modules.update(torch=None, transformers=None)\n"
        "import importlib.util\n"
        "importlib.util.find_spec = lambda name: None\n"
        "from pathlib import Path\n"
        "from trainer.graph import build_graph\n"
        "from trainer.source import load_source\n"
        "source = load_source(Path(sys.argv[1]))\n"
        "assert source.reference is None\n"
        "build_graph(source.weights, source.sizes, 'int8')\n"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", program, str(checkpoint)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
