"""What is written down of the data: `data/manifest.json` of a run, and what the card has of it."""

from collections.abc import Mapping
from typing import Any

from trainer.encode import Counts
from trainer.texts import Texts

ON_CARD = 100
"""Files that the card lists; the run's manifest lists all."""


def manifest(texts: Texts, counts: Counts) -> dict[str, Any]:
    """Where the texts came from, file by file, and what became of them.

    Of a single file, its name and checksum stand at the top, too.
    """
    settings = texts.settings
    files = [
        {"file": part.name, "sha256": part.sha256(), "kind": part.format, "rows": part.rows}
        for part in texts.parts
    ]
    kinds = {part.format for part in texts.parts}
    return {
        **({"file": files[0]["file"], "sha256": files[0]["sha256"]} if len(files) == 1 else {}),
        "source": settings.source,
        "licence": settings.licence,
        "consent": settings.consent,
        "kind": kinds.pop() if len(kinds) == 1 else "several",
        "rows": counts.texts,
        "dropped": dict(texts.dropped),
        "files_left_out": dict(texts.skipped),
        "characters": counts.characters,
        "training_tokens": counts.training_tokens,
        "validation_tokens": counts.validation_tokens,
        "files": files,
    }


def for_card(data: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest with the first files only, and how many there are."""
    files = data.get("files", [])
    if len(files) <= ON_CARD:
        return dict(data)
    return {**data, "files": files[:ON_CARD], "files_in_all": len(files)}
