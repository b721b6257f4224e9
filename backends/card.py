"""The card of a model: what `card.json` in a model directory says about it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from backends.vocabulary import Value

FORMAT = 1
"""The version of the model directory that this chinwag writes and reads."""

Precision = Literal["fp32", "int8", "int8-block", "int4", "fp16", "bf16"]
"""How weights are stored and multiplied."""

FAMILIES = {"gpt2": "GPT-2", "llama": "Llama"}
"""Architectures that have a serving graph, as people call them."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Architecture(BaseModel):
    """The sizes of a decoder; `context` is the most tokens it can attend to."""

    model_config = ConfigDict(frozen=True)

    family: Literal["gpt2", "llama"] = "gpt2"
    layers: PositiveInt
    heads: PositiveInt
    cached_heads: PositiveInt = 0
    """Key/value heads; fewer than `heads` where several query heads share one."""
    head_width: PositiveInt = 0
    """Numbers in one head's key or value of one token."""
    width: PositiveInt
    context: PositiveInt
    vocabulary: PositiveInt
    norm_epsilon: PositiveFloat = 1e-5
    """What keeps the normalisations from dividing by zero."""
    parameters: PositiveInt

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Cards of plain GPT-2s name neither: each head has its own keys, all share the width."""
        if {"heads", "width"} <= set(given) and isinstance(given["heads"], int) and given["heads"]:
            usual = {
                "cached_heads": given["heads"],
                "head_width": given["width"] // given["heads"],
            }
            return usual | given
        return given


class Card(BaseModel):
    """Everything a model directory says about its model."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = FORMAT
    name: str
    architecture: Architecture
    precision: Precision
    end_token: int
    """Stands between documents and ends a text; it is never shown."""
    prepend_end_token: bool
    """Whether prompts start with the end token: so where each document was one short text.

    A model of long text gets it only in front of an empty prompt.
    """
    defaults: dict[str, Value] = Field(default_factory=dict)
    """Settings the model's maker proposes (`prefix`, `truncate`, `temperature`, …)."""
    base: str = ""
    """The weights that training started from."""
    base_licence: str = ""
    data: dict[str, Any] = Field(default_factory=dict)
    """Of the training data: source, licence, rows, sha256, …"""
    training: dict[str, Any] = Field(default_factory=dict)
    """Of the training: command, seed, steps, losses, …"""
    parity: dict[str, float] = Field(default_factory=dict)
    """Largest difference of the fp32 graph's logits from PyTorch's."""
    perplexity: dict[Precision, float] = Field(default_factory=dict)
    """Perplexity on the validation split, by precision."""
    graph_bytes: dict[Precision, int] = Field(default_factory=dict)
    """Size of the graph on the disk, by precision."""
    tokens_per_s: dict[Precision, dict[int, float]] = Field(default_factory=dict)
    """Tokens/s of decoding where the model was exported, by precision and number of streams."""
    originality: dict[str, Any] = Field(default_factory=dict)
    """What of its texts stands in the training texts, and the same of texts that people wrote."""
    evaluation: dict[str, Any] = Field(default_factory=dict)
    """How it writes: perplexity, variety, repetition, and the same of texts that people wrote."""
    weights_sha256: str = ""
    """Checksum of the weights (`model.safetensors`) that the graph was made from."""
    files: dict[FileName, Sha256]
    """Every other file of the directory and its sha256."""
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))


def describe(card: Card) -> dict[str, str]:
    """Return what a reader may want to know, label to sentence, in the order to show it."""
    sizes = card.architecture
    facts = {
        "Parameters": f"{sizes.parameters:,}",
        "Architecture": (
            f"{FAMILIES[sizes.family]}, {sizes.layers} layers, {sizes.heads} heads, "
            f"width {sizes.width}, context {sizes.context:,} tokens, "
            f"vocabulary {sizes.vocabulary:,}"
        ),
        "Precision": card.precision,
        "Base weights": _with_licence(card.base, card.base_licence),
        "Training data": _with_licence(
            str(card.data.get("source", "")), str(card.data.get("licence", ""))
        ),
        "Training": _figures(card.training),
        "Perplexity": _figures({**card.perplexity}),
        "Made": card.created.strftime("%Y-%m-%d"),
    }
    return {label: fact for label, fact in facts.items() if fact}


def _with_licence(what: str, licence: str) -> str:
    return f"{what} (licence: {licence})" if what and licence else what


def _figures(facts: Mapping[str, Any]) -> str:
    """Name the numbers; words, such as the whole command, are for readers of the card itself."""
    return ", ".join(
        f"{label.replace('_', ' ')} {value:,.4g}"
        if isinstance(value, float)
        else f"{label.replace('_', ' ')} {value:,}"
        for label, value in facts.items()
        if isinstance(value, int | float)
    )
