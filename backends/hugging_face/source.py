"""Where a model's files are, and what is written beside them; read without torch.

A directory in Hugging Face's form: config.json, tokenizer.json and the weights, model.safetensors
or model.onnx. The trainer's runs hold such directories:

RUN/
  config.toml          the settings
  about.json           facts for a card: data, licence, how prompts begin, …
  checkpoints/best/    the checkpoint with the lowest validation loss
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backends.model_directory import CARD, read_about
from backends.vocabulary import BackendError, ModelSpec

_LICENCE = re.compile(r"^license: *[\"']?([\w.+-]+)", re.MULTILINE)
"""The licence in a model card's metadata, https://huggingface.co/docs/hub/model-cards."""


@dataclass(frozen=True)
class Source:
    """The directory of a model."""

    name: str
    """The name under which the model is opened."""
    folder: Path
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a run knows of its model; empty elsewhere."""

    def require(self, weights: str, *, instead: str) -> None:
        """Raise `BackendError` where no file is called as the pattern says.

        `instead` is what to do then.
        """
        if next(self.folder.glob(weights), None):
            return
        if (self.folder / CARD).is_file():
            raise BackendError(
                f'{self.folder} is a model directory of chinwag: serve it with backend = "onnx".'
            )
        raise BackendError(f"{self.folder} holds no {weights.replace('*', '')}: {instead}.")

    def facts(self) -> dict[str, str]:
        """Return what is known of licences and data, label to sentence."""
        data = self.about.get("data", {})
        source, licence = data.get("source", ""), data.get("licence", "")
        facts = {
            "Base weights": self.about.get("base", ""),
            "Licence": self.about.get("base_licence") or self._licence(),
            "Training data": f"{source} (licence: {licence})" if source and licence else source,
        }
        return {label: fact for label, fact in facts.items() if fact}

    def _licence(self) -> str:
        try:
            card = (self.folder / "README.md").read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""
        before, _, rest = card.partition("---\n")
        found = None if before else _LICENCE.search(rest.partition("\n---")[0])
        return found[1] if found else ""


def find_source(spec: ModelSpec) -> Source:
    """Return the directory that a spec means. Raises `BackendError` where it is none."""
    if spec.path is None:
        raise BackendError(
            f"The model {spec.name} needs a path: the directory of a checkpoint or of a run."
        )
    if not spec.path.is_dir():
        raise BackendError(f"There is no directory {spec.path} for the model {spec.name}.")
    folder = _checkpoint(spec.path)
    if not (folder / "config.json").is_file() and not (folder / CARD).is_file():
        raise BackendError(
            f"{folder} holds no model: give the directory that has its config.json, or a run."
        )
    return Source(spec.name, folder, read_about(folder))


def _checkpoint(path: Path) -> Path:
    """Return a run's best checkpoint; other directories are taken as they are."""
    if not (path / "config.toml").is_file():
        return path
    best = path / "checkpoints" / "best"
    if not best.is_dir():
        raise BackendError(f"The run {path.name} has no checkpoint yet: train it first.")
    return best
