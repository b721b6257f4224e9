"""LoRA (Hu et al. 2021): small matrices learn beside frozen ones, and are added in at the end.

Every matrix of the blocks gets adapters, as in QLoRA (Dettmers et al. 2023), whatever the family
calls them: W becomes W + scale · B·A, of which only A (rank, in) and B (out, rank) learn.
"""

import hashlib
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from backends import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SCALE = 2
"""B·A is added times this; PEFT calls it alpha / rank."""
FOLDER = "adapter"
WEIGHTS, CONFIG, BASE = "adapter_model.safetensors", "adapter_config.json", "base.json"
PREFIX = "base_model.model."
"""What PEFT puts before the names of an adapter's tensors."""


def add_adapters(model: "PreTrainedModel", rank: int, dropout: float) -> None:
    """Freeze `model` and give its blocks adapters, in place; they are float32."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=rank,
        lora_alpha=SCALE * rank,
        lora_dropout=dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # GPT-2 stores its matrices the other way round, which PEFT finds out by itself and says.
        warnings.filterwarnings("ignore", "fan_in_fan_out")
        inject_adapter_in_model(config, model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def has_adapters(model: nn.Module) -> bool:
    """Whether `add_adapters` was here."""
    return hasattr(model, "peft_config")


def merged_weights(model: Any) -> dict[str, Tensor]:
    """The weights that compute the same without adapters, by the names of the base model."""
    from peft.tuners.lora import LoraLayer

    merged = {
        f"{name}.base_layer.weight": _merged(module)
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }
    return {
        name.replace(".base_layer.", "."): merged.get(name, tensor)
        for name, tensor in dict[str, Tensor](model.state_dict()).items()
        if ".lora_" not in name
    }


def _merged(layer: Any) -> Tensor:
    base = layer.base_layer.weight.detach()
    return (base.float() + layer.get_delta_weight("default").detach()).to(base.dtype)


def save_adapters(model: Any, folder: Path) -> None:
    """Write the adapters in PEFT's format, and which weights they belong to."""
    from peft import get_peft_model_state_dict

    folder.mkdir()
    tensors = get_peft_model_state_dict(model)
    save_file(
        {PREFIX + name: tensor.contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS
    )
    model.peft_config["default"].save_pretrained(str(folder))
    (folder / BASE).write_text(json.dumps({"sha256": fingerprint(model)}))


def load_adapters(model: "PreTrainedModel", folder: Path) -> None:
    """Put back what `save_adapters` wrote, to the last bit.

    Raises `UserError` where the base model is not the one that the adapters were made for.
    """
    stated = json.loads((folder / BASE).read_text(encoding="utf-8"))["sha256"]
    if stated != fingerprint(model):
        raise UserError(
            "The run's base model has changed since it began: its adapters fit only the weights "
            "they were trained on. Put those back, or start a new run."
        )
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in load_file(folder / WEIGHTS).items():
            inner, _, kind = name.removeprefix(PREFIX).rpartition(".")
            parameters[f"{inner}.default.{kind}"].copy_(tensor)


def fingerprint(model: nn.Module) -> str:
    """The sha256 of the frozen weights, in the order of their names there."""
    digest = hashlib.sha256()
    for parameter in model.parameters():
        if not parameter.requires_grad:
            flat = parameter.detach().cpu().contiguous().view(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
