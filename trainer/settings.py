"""What one training run was asked to do, as `config.toml` of the run holds it."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from backends import UserError
from backends.durable import durable_file


@dataclass(frozen=True)
class Settings:
    """The settings of a run. `None` stands for "choose for me" and is resolved before training."""

    data: str | list[str]
    """Path of the file or folder of texts; or several of them."""
    model: str
    """A directory, an alias such as `124M`, or `fresh:SIZE`."""
    format: str = "auto"
    encoding: str = "auto"
    header: bool | None = None
    column: str = ""
    """Name or number of the column, or key, that holds the texts; `""` chooses a usual one."""
    separator: str = ""
    """What stands between two texts, with \\n and \\t as in Python; `""` looks for one."""
    min_length: int | None = None
    """Characters of the shortest text that is kept."""
    max_length: int | None = None
    """Characters of the longest text that is kept."""
    keep_duplicates: bool = False
    chat: str | None = None
    """What chat logs become: texts of one `person`, or each `conversation` a text."""
    person: str = ""
    """Name or id of the one whose messages are the texts."""
    gap: float | None = None
    """Minutes of silence that end a conversation."""
    keep_bots: bool | None = None
    links: str | None = None
    """`drop`, `keep`, or `word` for a word in their place."""
    leave_out: list[str] = field(default_factory=list)
    """Names or ids of people whose messages are not read."""
    opt_out: str = ""
    """Path of the list of people who told the bot that they want to be left out."""
    subreddit: str = ""
    top: int | None = None
    """Texts of a Reddit dump that are kept, by score."""
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    seed: int = 1
    prefix: str = ""
    batch_size: int | None = None
    """Windows in one step."""
    micro_batch: int | None = None
    """The most windows that go through the model together, in each process; `None` is all."""
    context: int | None = None
    """Tokens in one window."""
    vocabulary: int | None = None
    """Tokens of a fresh model's tokenizer."""
    lr: float | None = None
    weight_decay: float = 0.1
    dropout: float = 0.0
    val_fraction: float = 0.05
    eval_every: int | None = None
    sample_every: int = 500
    patience: int = 5
    """Validations without a lower loss after which training ends; 0 never ends it early."""
    compile: bool = False
    optimizer: str | None = None
    """`adamw`, `adamw8bit` or `muon`."""
    gradient_checkpointing: bool | None = None
    weights: str | None = None
    """`fp32` or `bf16`: what parameters are kept in."""
    lora: int | None = None
    """Rank of the adapters that learn in the place of the model; 0 is none."""
    source: str = ""
    licence: str = ""
    consent: str = ""
    """Who agreed that the texts are used."""

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.epochs, self.steps, self.minutes)) > 1:
            raise UserError("Give one of --epochs, --steps and --minutes, not several.")
        if (self.chat == "person") > bool(self.person):
            raise UserError("--chat person needs --person NAME.")
        if self.chat == "conversation" and self.person:
            raise UserError("--person goes with --chat person, not with --chat conversation.")
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in (None, *known):
                raise UserError(f"--{name} is one of {', '.join(known)}, not {value!r}.")
        if self.model.startswith("fresh:") and (self.lora or self.weights == "bf16"):
            raise UserError("--lora and --weights bf16 are for pretrained models, not fresh ones.")
        if self.weights == "bf16" and not self.lora and self.optimizer in ("adamw", "muon"):
            raise UserError(
                f"--weights bf16 loses most of what --optimizer {self.optimizer} adds: it goes "
                "with --optimizer adamw8bit, which rounds by chance, or with --lora."
            )
        for name, low, high in BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                flag = "--" + name.replace("_", "-")
                raise UserError(f"{flag} must be between {low:g} and {high:g}, not {value:g}.")


OPTIMIZERS, WEIGHTS = ("adamw", "adamw8bit", "muon"), ("fp32", "bf16")
CHATS, LINKS = ("conversation", "person"), ("drop", "keep", "word")
CHOICES = {"optimizer": OPTIMIZERS, "weights": WEIGHTS, "chat": CHATS, "links": LINKS}
"""The words that a setting can be."""
BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("epochs", 0.001, 10_000),
    ("steps", 1, 100_000_000),
    ("minutes", 0.01, 1_000_000),
    ("seed", 0, 2**31 - 1),
    ("batch_size", 1, 65_536),
    ("micro_batch", 1, 65_536),
    ("context", 8, 131_072),
    ("vocabulary", 300, 65_536),
    ("lr", 1e-8, 1),
    ("weight_decay", 0, 10),
    ("dropout", 0, 0.9),
    ("lora", 0, 1024),
    ("val_fraction", 0.001, 0.5),
    ("min_length", 0, 1_000_000),
    ("max_length", 1, 1_000_000_000),
    ("gap", 0.1, 1_000_000),
    ("top", 1, 10_000_000),
    ("patience", 0, 1_000_000),
    ("eval_every", 1, 1_000_000),
    ("sample_every", 1, 1_000_000),
)
"""Lowest and highest value of each number, both allowed."""


def write_settings(settings: Settings, path: Path) -> None:
    """Write `settings` as TOML; keys that are `None` are left out."""
    # JSON's strings, numbers and booleans are TOML's too, except for DEL, which TOML escapes.
    lines = (
        f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")
        for key, value in asdict(settings).items()
        if value is not None
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rewrite_settings(settings: Settings, path: Path) -> None:
    """The same in the place of what was written before, whole or not at all."""
    with durable_file(path) as new:
        write_settings(settings, new)


def read_settings(path: Path) -> Settings:
    """Read what `write_settings` wrote; raises `UserError` where the file is damaged."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        _refuse_unknown(table)
        return TypeAdapter(Settings).validate_python(table)
    except ValidationError as exc:
        first = exc.errors()[0]
        raise UserError(
            f"{path} cannot be read as a run's settings: its {first['loc'][0]!r} is wrong "
            f"({first['msg']})."
        ) from exc
    except UserError as exc:
        raise UserError(f"{path} is no run's settings: {exc}") from exc
    except OSError as exc:
        raise UserError(f"{path} cannot be read: {exc.strerror or exc}.") from exc
    except (ValueError, RecursionError) as exc:
        raise UserError(f"{path} cannot be read as a run's settings: {exc}.") from exc


def _refuse_unknown(table: Mapping[str, object]) -> None:
    if unknown := set(table) - {field.name for field in fields(Settings)}:
        raise UserError(f"it has an unknown key {min(unknown)!r}: remove it.")
