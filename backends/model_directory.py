"""The model directory: what the trainer writes and the bot reads, and all that passes between them.

NAME/
  model.onnx        decoder graph (and model.onnx.data where it is large)
  tokenizer.json    the tokenizers library's format
  card.json         what the model is, and the sha256 of every other file
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backends.card import FORMAT, Architecture, Card, Precision, describe
from backends.durable import durable_directory, durable_file
from backends.vocabulary import BackendError, Value

__all__ = [
    "ABOUT",
    "CARD",
    "GRAPH",
    "TOKENIZER",
    "Architecture",
    "Card",
    "Precision",
    "change_card",
    "check_name",
    "describe",
    "list_models",
    "model_path",
    "proposed_settings",
    "read_about",
    "read_card",
    "sha256_of",
    "verify_model",
    "write_model",
]

CARD = "card.json"
ABOUT = "about.json"
"""What a run of the trainer knows of its model, for a card."""
GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Names that become paths: no separators, nothing hidden, no `..`."""


def check_name(name: str) -> str:
    """Return the name of a model or run. Raises `BackendError` where it could not be a path."""
    if not NAME.fullmatch(name):
        raise BackendError(
            f"{name!r} cannot be a name: use 1 to 64 lower-case letters, digits, "
            "'.', '_' and '-', and begin with a letter or digit."
        )
    return name


def model_path(root: Path, name: str) -> Path:
    """Return where a model of this name lies. Raises `BackendError` for an impossible name."""
    return root / check_name(name)


def list_models(root: Path) -> list[str]:
    """Return the names of the models in a folder, sorted; broken ones too. No folder, no models."""
    if not root.is_dir():
        return []
    return sorted(
        path.name
        for path in root.iterdir()
        if NAME.fullmatch(path.name) and (path / CARD).is_file()
    )


def read_card(path: Path) -> Card:
    """Read a model directory's card, without a look at the other files.

    Raises `BackendError` where there is none, or none that this version can read.
    """
    raw = _read_json(path)
    version = raw.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise BackendError(
            f"The model {path.name} was made by a newer chinwag "
            f"(format {version}; this one reads {FORMAT}): upgrade chinwag."
        )
    try:
        card = Card.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise BackendError(
            f"{CARD} of the model {path.name} is broken ({where}: {first['msg']}): "
            "export the model again."
        ) from error
    missing = {GRAPH, TOKENIZER} - set(card.files)
    if missing:
        raise BackendError(
            f"{CARD} of the model {path.name} does not list {min(missing)}: export the model again."
        )
    return card


def read_about(path: Path) -> Mapping[str, Any]:
    """Return what is known of a run, or of the run that a checkpoint belongs to; else nothing.

    Raises `BackendError` where it cannot be read.
    """
    run = path.parent.parent if path.parent.name == "checkpoints" else path
    about = run / ABOUT
    if not (run / "checkpoints").is_dir() or not about.is_file():
        return {}
    try:
        return json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendError(f"{about} cannot be read ({error}): train the run on.") from error


def proposed_settings(path: Path) -> Mapping[str, Value]:
    """Return the settings that the maker of a model, or of a run, proposes; nothing is opened.

    Raises `BackendError` where a card or what a run knows cannot be read.
    """
    if (path / CARD).is_file():
        return read_card(path).defaults
    return read_about(path).get("defaults", {})


def verify_model(path: Path) -> Card:
    """Read the card and compare every file with its checksum (reads all of the model once).

    Raises `BackendError` where a file lacks or differs: ONNX Runtime would load it silently.
    """
    card = read_card(path)
    for name, expected in card.files.items():
        file = path / name
        if not file.is_file():
            raise BackendError(
                f"{name} of the model {path.name} is missing: copy or export the model again."
            )
        if sha256_of(file) != expected:
            raise BackendError(
                f"{name} of the model {path.name} is damaged (its checksum is not the card's): "
                "copy or export the model again."
            )
    return card


def write_model(target: Path, fill: Callable[[Path], None], make_card: Callable[..., Card]) -> Card:
    """Write a model directory in one piece; a model that was there before is replaced.

    `fill(folder)` writes all files but the card; `make_card(files=…)` gets their checksums.
    Raises `BackendError` where `target` is something else than a model.
    """
    if target.exists() and not (target / CARD).is_file():
        raise BackendError(f"{target} exists and is not a model directory: choose another name.")
    with durable_directory(target) as folder:
        fill(folder)
        card = make_card(files={path.name: sha256_of(path) for path in sorted(folder.iterdir())})
        (folder / CARD).write_text(_as_json(card), encoding="utf-8")
    return card


def change_card(path: Path, **facts: Any) -> Card:
    """Write other `facts` on the card of a model directory, whose other files stay as they are.

    Raises `BackendError` where there is no card that this version can read.
    """
    card = read_card(path).model_copy(update=facts)
    with durable_file(path / CARD) as file:
        file.write_text(_as_json(card), encoding="utf-8")
    return card


def sha256_of(file: Path) -> str:
    """Return a file's sha256 as 64 hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _as_json(card: Card) -> str:
    return card.model_dump_json(indent=2) + "\n"


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise BackendError(f"There is no model directory {path}.")
    try:
        raw = json.loads((path / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackendError(f"{path} is not a model directory: it has no {CARD}.") from None
    except (OSError, ValueError) as error:
        raise BackendError(
            f"{CARD} of the model {path.name} cannot be read ({error}): export the model again."
        ) from error
    if not isinstance(raw, dict):
        raise BackendError(f"{CARD} of the model {path.name} is broken: export the model again.")
    return raw
