import json
from pathlib import Path

import pytest
import torch

from backends import UserError
from tests.models import END, tiny_checkpoint, tiny_llama, tiny_tokenizer
from tests.trainer.gguf_files import write_gguf
from trainer import models


def test_a_fresh_size_is_known_by_its_name_and_unknown_ones_are_refused():
    assert models.fresh_size("fresh:tiny") is models.SIZES["tiny"]
    assert models.fresh_size("124M") is None
    for wrong in ("fresh:", "fresh:huge"):
        with pytest.raises(UserError, match="choose from tiny"):
            models.fresh_size(wrong)


def test_what_is_neither_directory_nor_alias_is_refused(tmp_path: Path):
    for wrong in ("124m", "gpt2", str(tmp_path), "../../x", "a/b/c", "model.gguf"):
        with pytest.raises(UserError, match="is no model"):
            models.resolve(wrong)


def test_an_alias_that_cannot_be_fetched_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.is_offline_mode", lambda: True)
    monkeypatch.setitem(models.ALIASES, "124M", "chinwag-tests/there-is-no-such-model")
    for load in (lambda: models.load_model("124M", 0.0), lambda: models.load_tokenizer("124M")):
        with pytest.raises(UserError, match="give its directory"):
            load()


def test_a_learnt_tokenizer_gives_every_text_back_and_ends_texts_with_token_0():
    tokenizer = models.train_tokenizer(["What is it?", "Why is it?"] * 9, 300)
    assert models.end_token(tokenizer, "fresh:tiny") == 0
    for text in ("What is 🎉?", "  naïve\n\tcafé ", "<|endoftext"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_a_tokenizer_without_end_token_is_refused():
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    with pytest.raises(UserError, match=r"nothing that could end a text"):
        models.end_token(Tokenizer(BPE()), "fresh:tiny")


def test_the_end_token_is_the_one_that_the_model_itself_names(tmp_path: Path):
    path = tiny_llama(tmp_path / "model")
    tokenizer = models.load_tokenizer(str(path))
    for stated, token in ((7, 7), ([9, 0], 9), (None, 0)):
        config = json.loads((path / "config.json").read_text()) | {"eos_token_id": stated}
        (path / "config.json").write_text(json.dumps(config))
        assert models.end_token(tokenizer, str(path)) == token


def test_a_tokenizer_adds_and_cuts_nothing_by_itself(tmp_path: Path):
    from tokenizers.processors import TemplateProcessing

    path = tiny_llama(tmp_path / "model")
    tokenizer = tiny_tokenizer()
    plain = tokenizer.encode("What would you do?").ids
    special = [(END, tokenizer.token_to_id(END))]
    tokenizer.post_processor = TemplateProcessing(f"{END} $A", special_tokens=special)
    tokenizer.enable_truncation(2)
    tokenizer.save(str(path / "tokenizer.json"))
    assert models.load_tokenizer(str(path)).encode("What would you do?").ids == plain


def test_a_fresh_model_has_the_size_asked_for():
    size = models.Size(layers=3, heads=2, width=16, vocabulary=300, lr=0.1)
    config = models.fresh_model(size, tiny_tokenizer(), context=40, dropout=0.1).config
    assert (config.n_layer, config.n_head, config.n_embd, config.n_positions) == (3, 2, 16, 40)
    assert config.eos_token_id == 0
    assert config.resid_pdrop == 0.1


def test_a_local_model_computes_what_it_did_and_takes_the_dropout_asked_for(tmp_path: Path):
    from transformers import GPT2LMHeadModel

    path = tiny_checkpoint(tmp_path / "model")
    plain = GPT2LMHeadModel.from_pretrained(path).eval()
    loaded = models.load_model(str(path), dropout=0.3)
    ids = torch.tensor([[1, 2, 3, 4]])
    torch.testing.assert_close(loaded.eval()(ids).logits, plain(ids).logits)
    assert loaded.config.attn_pdrop == 0.3
    assert models.load_tokenizer(str(path)).to_str() == tiny_tokenizer().to_str()


def test_the_vocabulary_files_of_gpt2_serve_where_there_is_no_tokenizer_json(tmp_path: Path):
    path = tiny_checkpoint(tmp_path / "model")
    tokenizer = json.loads((path / "tokenizer.json").read_text())["model"]
    (path / "vocab.json").write_text(json.dumps(tokenizer["vocab"]))
    (path / "merges.txt").write_text(
        "\n".join(["#version: 0.2", *map(" ".join, tokenizer["merges"])])
    )
    (path / "tokenizer.json").unlink()
    text = "What would you do if you could fly? 🎉"
    expected = tiny_tokenizer().encode(text).ids
    assert models.load_tokenizer(str(path)).encode(text).ids == expected


@pytest.mark.parametrize("damage", ["no weights", "cut weights", "bad config", "other family"])
def test_a_broken_directory_is_refused_with_a_sentence(tmp_path: Path, damage: str):
    path = tiny_checkpoint(tmp_path / "model")
    weights = path / "model.safetensors"
    if damage == "no weights":
        weights.rename(path / "pytorch_model.bin")
    elif damage == "cut weights":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "bad config":
        (path / "config.json").write_text("{")
    else:
        (path / "config.json").write_text('{"model_type": "perceptron"}')
    with pytest.raises(UserError, match="cannot be read"):
        models.load_model(str(path), 0.0)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"model_type": "t5"}, "do not go on with a text"),
        ({"model_type": "bert"}, "do not go on with a text"),
        ({"model_type": "gpt2", "quantization_config": {"quant_method": "gptq"}}, "are quantised"),
    ],
)
def test_what_cannot_learn_to_go_on_with_a_text_is_refused(
    tmp_path: Path, config: dict[str, object], why: str
):
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=why):
        models.load_model(str(tmp_path), 0.0)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_gguf_file_loads_as_what_it_was_made_from(tmp_path: Path, dtype: str):
    path = tiny_llama(tmp_path / "model")
    file = write_gguf(path, tmp_path / "model.gguf")
    loaded = models.load_model(str(file), 0.0, dtype).eval()
    plain = models.load_model(str(path), 0.0, dtype).eval()
    ids = torch.tensor([[1, 2, 3, 4]])
    torch.testing.assert_close(loaded(ids).logits, plain(ids).logits)
    assert {str(p.dtype)[6:] for p in loaded.parameters()} == {
        {"fp32": "float32"}.get(dtype, "bfloat16")
    }
    tokenizer = models.load_tokenizer(str(file))
    assert tokenizer.encode("What is it?").ids == tiny_tokenizer().encode("What is it?").ids
    assert models.end_token(tokenizer, str(file)) == 0


def test_what_is_planned_is_the_model_that_is_trained():
    tokenizer = tiny_tokenizer()
    config = models.config_to_plan("fresh:tiny", tokenizer.get_vocab_size(), 64, 0.1)
    made = models.fresh_model(models.SIZES["tiny"], tokenizer, 64, 0.1).config
    for key in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "resid_pdrop"):
        assert getattr(config, key) == getattr(made, key)
