"""What a run will need, before it begins: memory by part, technique, micro-batch, work.

Pure arithmetic on a model's `Shape`. The techniques are tried from the one that costs nothing to
the one that changes most, and the first that fits is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields

from trainer.loss import CHUNK
from trainer.memory import Shape

SHARE = 0.9
"""The share of the memory that is planned with; the rest is for the libraries and for gaps."""
LEAST_TOKENS = 1024
"""Tokens of a micro-batch below which another technique is tried first."""
RANK = 16
"""The rank of adapters that are chosen because nothing else fits."""


@dataclass(frozen=True)
class Technique:
    """How a model is trained."""

    optimizer: str
    checkpointing: bool = False
    weights: str = "fp32"
    rank: int = 0

    def __str__(self) -> str:
        parts = [f"LoRA of rank {self.rank}" if self.rank else "the whole model"]
        parts += [{"adamw": "AdamW", "adamw8bit": "8-bit Adam", "muon": "Muon"}[self.optimizer]]
        parts += ["gradient checkpointing"] * self.checkpointing
        parts += ["bf16 weights"] * (self.weights == "bf16")
        return ", ".join(parts)


LADDER = (
    Technique("adamw"),
    Technique("adamw", checkpointing=True),
    Technique("adamw8bit", checkpointing=True),
    Technique("adamw8bit", checkpointing=True, weights="bf16"),
    Technique("adamw", checkpointing=True, weights="bf16", rank=RANK),
)
"""For pretrained models. Each step down costs something: time, precision, what can be learnt."""
FRESH_LADDER = (Technique("muon"), Technique("muon", checkpointing=True))


@dataclass(frozen=True)
class Memory:
    """Bytes of each part, and of all that is there at one time."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What autograd keeps for the backward pass."""
    loss: int
    """Logits of a chunk, and gradients of the output embeddings."""
    temporary: int
    """The most that a single operation of the backward pass or the optimizer needs besides."""
    peak: int

    @property
    def parts(self) -> dict[str, int]:
        """All but the peak, by name."""
        named = zip((field.name for field in fields(self)), astuple(self), strict=True)
        return {name: value for name, value in named if name != "peak"}


def memory(
    shape: Shape,
    technique: Technique,
    rows: int,
    context: int,
    *,
    low_precision: bool,
    accumulating: bool,
) -> Memory:
    """What micro-batches of `rows` times `context` tokens need; several a step if `accumulating`.

    A step has four moments at which most is there: the end of the forward pass, the loss, the
    backward pass through the last block, and the update.
    """
    number = 2 if technique.weights == "bf16" else 4
    activations, block = rows * shape.row, 0
    passed = 2 * 4 * rows * context * shape.width  # what one operation hands back to the one before
    copies = shape.copies
    if technique.checkpointing:
        block = (activations + copies) // shape.layers
        activations = shape.layers * rows * context * shape.width * number
        copies = 0
    loss = _loss(shape, rows * context, low_precision=low_precision)
    head = shape.vocabulary * shape.width * number if shape.embeddings else 0
    temporary = max(block + passed, head, _update(shape, technique))
    optimizer = _optimizer(shape, technique)
    before = shape.gradients if accumulating else 0
    peak = max(
        before + activations + shape.copies,
        before + activations + copies + loss,
        before + activations + copies + head + block + passed,
        shape.gradients + temporary,
    )
    return Memory(
        weights=shape.weights,
        gradients=shape.gradients,
        optimizer=optimizer,
        activations=activations + copies,
        loss=loss,
        temporary=temporary,
        peak=shape.weights + optimizer + peak,
    )


def _loss(shape: Shape, tokens: int, *, low_precision: bool) -> int:
    """`_ChunkedLoss`: inputs and their gradients, logits thrice, the head's copy and gradient."""
    number = 2 if low_precision else 4
    rows = 3 * tokens * shape.width * number
    logits = min(CHUNK, tokens) * shape.vocabulary * (10 if low_precision else 8)
    head = shape.vocabulary * shape.width
    learnt = head * (4 + number) if shape.embeddings else 0
    return rows + logits + 2 * head * low_precision + learnt


def _optimizer(shape: Shape, technique: Technique) -> int:
    """Two numbers a parameter for Adam, one for Muon; of 8 bits, and 8 bytes for every 256."""
    if technique.optimizer == "muon":
        return 4 * shape.inner + 8 * (shape.learnt - shape.inner)
    if technique.optimizer == "adamw8bit":
        return round((2 + 8 / 256) * shape.inner) + 8 * (shape.learnt - shape.inner)
    return 8 * shape.learnt


def _update(shape: Shape, technique: Technique) -> int:
    """What an update needs besides: fp32 copies for bf16 weights, Muon's products in bf16."""
    if technique.weights == "bf16" and not technique.rank:
        return 12 * shape.largest
    return 8 * shape.largest if technique.optimizer == "muon" else 0


@dataclass(frozen=True)
class Plan:
    """The technique that fits, and what it needs; `fits` is false where none does."""

    technique: Technique
    micro_batch: int
    memory: Memory
    shape: Shape
    fits: bool


def choose(
    techniques: Sequence[Technique],
    shape_of: Callable[[Technique], Shape],
    batch: int,
    context: int,
    available: int,
    *,
    low_precision: bool,
) -> Plan:
    """The first of the techniques that fits into `available` bytes, with the most rows at a time.

    `batch` rows make a step; they are halved until they fit, down to `LEAST_TOKENS`, and for the
    last technique down to a row.
    """
    plan = None
    for technique in techniques:
        shape, last = shape_of(technique), technique == techniques[-1]
        rows = batch
        while True:
            needed = memory(
                shape,
                technique,
                rows,
                context,
                low_precision=low_precision,
                accumulating=rows < batch,
            )
            plan = Plan(technique, rows, needed, shape, needed.peak <= SHARE * available)
            small = rows // 2 < 1 or (rows // 2 * context < LEAST_TOKENS and not last)
            if plan.fits or small:
                break
            rows //= 2
        if plan.fits:
            return plan
    if plan is None:
        raise ValueError("There is no technique to choose from.")
    return plan


def flops_per_token(shape: Shape, technique: Technique, context: int) -> int:
    """Operations that learning from a token takes (Chowdhery et al. 2022, appendix B).

    A product costs 2 forward, 2 for the gradient of what went in, and 2 for that of the weight;
    attention as much as if every token saw a whole row. Checkpointing goes forward twice.
    """
    passes = (2 if technique.checkpointing else 1) + 1 + (0 if technique.rank else 1)
    attention = 4 * shape.layers * shape.width * context * (3 + technique.checkpointing)
    return 2 * shape.multiplied * passes + attention
