from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from backends import UserError
from tests.models import tiny_checkpoint, tiny_llama
from trainer import lora, models
from trainer.optimizers import build_optimizers, set_learning_rate

MAKE = {"gpt2": tiny_checkpoint, "llama": tiny_llama}
IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


def adapted(path: Path, weights: str = "fp32"):
    """A model with adapters that have learnt a little, and one step's distance to go."""
    model = models.load_model(str(path), 0.0, weights)
    torch.manual_seed(0)
    lora.add_adapters(model, 4, 0.0)
    optimizers = build_optimizers(model, 0.0, "adamw")
    set_learning_rate(optimizers, 0.01)
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16, enabled=weights == "bf16"):
            loss = model(IDS, labels=IDS).loss
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    return model.eval()


@pytest.mark.parametrize("family", MAKE)
def test_merged_weights_compute_what_the_adapters_do_and_load_as_the_family(
    family: str, tmp_path: Path
):
    model = adapted(MAKE[family](tmp_path / "base"))
    model.save_pretrained(tmp_path / "merged", state_dict=lora.merged_weights(model))
    base, merged = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "merged"))
    assert {name: one.shape for name, one in base.items()} == {
        name: one.shape for name, one in merged.items()
    }
    plain = models.load_model(str(tmp_path / "merged"), 0.0).eval()
    torch.testing.assert_close(plain(IDS).logits, model(IDS).logits, rtol=1e-4, atol=1e-4)
    untouched = models.load_model(str(tmp_path / "base"), 0.0).eval()
    assert (untouched(IDS).logits - model(IDS).logits).abs().max() > 0.1


@pytest.mark.parametrize("family", MAKE)
def test_only_adapters_learn_and_every_matrix_of_the_blocks_has_one(family: str, tmp_path: Path):
    model = models.load_model(str(MAKE[family](tmp_path / "base")), 0.0)
    inner = sum(
        ".h." in name or ".layers." in name for name, p in model.named_parameters() if p.ndim == 2
    )
    lora.add_adapters(model, 4, 0.0)
    learning = [name for name, p in model.named_parameters() if p.requires_grad]
    assert all(".lora_" in name for name in learning)
    assert len(learning) == 2 * inner


def test_adapters_put_back_are_the_same_to_the_last_bit(tmp_path: Path):
    base = tiny_checkpoint(tmp_path / "base")
    model = adapted(base)
    lora.save_adapters(model, tmp_path / "adapter")
    again = models.load_model(str(base), 0.0).eval()
    lora.add_adapters(again, 4, 0.0)
    lora.load_adapters(again, tmp_path / "adapter")
    assert torch.equal(again(IDS).logits, model(IDS).logits)


def test_adapters_are_refused_beside_another_base(tmp_path: Path):
    lora.save_adapters(adapted(tiny_checkpoint(tmp_path / "base")), tmp_path / "adapter")
    other = models.load_model(str(tiny_checkpoint(tmp_path / "other", seed=1)), 0.0)
    lora.add_adapters(other, 4, 0.0)
    with pytest.raises(UserError, match="base model has changed"):
        lora.load_adapters(other, tmp_path / "adapter")


def test_peft_itself_loads_what_is_kept(tmp_path: Path):
    from peft import PeftModel

    base = tiny_checkpoint(tmp_path / "base")
    model = adapted(base)
    lora.save_adapters(model, tmp_path / "adapter")
    loaded = PeftModel.from_pretrained(models.load_model(str(base), 0.0), tmp_path / "adapter")
    torch.testing.assert_close(loaded.eval()(IDS).logits, model(IDS).logits)


def test_adapters_of_a_bf16_base_learn_in_fp32(tmp_path: Path):
    model = adapted(tiny_llama(tmp_path / "base"), "bf16")
    for name, parameter in model.named_parameters():
        assert parameter.dtype == (torch.float32 if ".lora_" in name else torch.bfloat16)
    assert {tensor.dtype for tensor in lora.merged_weights(model).values()} == {torch.bfloat16}
