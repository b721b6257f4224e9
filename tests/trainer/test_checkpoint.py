from pathlib import Path

import pytest
import torch

from backends import UserError
from tests.models import tiny_tokenizer
from trainer.checkpoint import (
    State,
    load_checkpoint,
    newest,
    read_state,
    save_checkpoint,
    verify_checkpoint,
)
from trainer.models import Size, fresh_model, load_model
from trainer.optimizers import build_optimizers
from trainer.runs import Run

SIZE = Size(layers=1, heads=2, width=16, vocabulary=300, lr=0.01)


def write(path: Path, state: State | None = None) -> torch.nn.Module:
    model = fresh_model(SIZE, tiny_tokenizer(), context=8, dropout=0.0)
    optimizers = build_optimizers(model, 0.1, "muon")
    save_checkpoint(path, model, tiny_tokenizer(), 0, optimizers, state or State(step=7))
    return model


def test_weights_and_state_come_back(tmp_path: Path):
    written = write(tmp_path / "last", State(step=7, tokens=70, best_val_loss=1.5))
    model = load_model(str(tmp_path / "last"), 0.0)
    state = load_checkpoint(tmp_path / "last", build_optimizers(model, 0.1, "muon"))
    assert (state.step, state.tokens, state.best_val_loss) == (7, 70, 1.5)
    for one, other in zip(written.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_transformers_loads_it_as_it_is_and_knows_the_end_token(tmp_path: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write(tmp_path / "last")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "last")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "last")
    assert model.generation_config is not None
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 0
    assert tokenizer.decode(tokenizer("What is it?")["input_ids"]) == "What is it?"


def test_nothing_in_it_is_a_pickle(tmp_path: Path):
    write(tmp_path / "last")
    assert {path.suffix for path in (tmp_path / "last").iterdir()} == {".json", ".safetensors"}


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_changed_file_is_noticed(tmp_path: Path, name: str, damage: str):
    write(tmp_path / "last")
    file = tmp_path / "last" / name
    content = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content if damage == "flip" else content[:-1])
    with pytest.raises(UserError, match=r"damaged|not a whole checkpoint"):
        verify_checkpoint(tmp_path / "last")


def test_where_the_last_is_damaged_the_best_is_used_and_it_is_said(tmp_path: Path):
    run, said = Run(tmp_path), []
    assert newest(run, said.append) is None
    write(run.best)
    write(run.last)
    assert newest(run, said.append) == run.last
    assert said == []
    (run.last / "state.json").write_text("{")
    assert newest(run, said.append) == run.best
    assert "damaged" in said[0]


@pytest.mark.parametrize("content", ['{"stepp": 3}', "[1]", "no json"])
def test_a_state_of_another_version_is_a_sentence(tmp_path: Path, content: str):
    write(tmp_path / "last")
    (tmp_path / "last" / "state.json").write_text(content)
    with pytest.raises(UserError, match="no checkpoint of this version"):
        read_state(tmp_path / "last")
