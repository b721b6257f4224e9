"""Read texts that a model wrote before, from the files of `generate` or gpt-2-simple."""

import json
from pathlib import Path

from backends import UserError
from trainer.generate import DELIMITER


def read_written(path: Path) -> list[str]:
    """Return the texts of a file: JSON lines with a `text` each, or each ended by twenty `=`.

    Raises `UserError` where it is neither or holds no text.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: save it as UTF-8 text.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    if content.lstrip().startswith("{"):
        texts = [_text_of(path, line) for line in content.splitlines() if line.strip()]
    else:
        *texts, rest = content.split(DELIMITER)
        if rest.strip():
            raise UserError(
                f"{path} is neither JSON lines nor texts that each end with a line of twenty '=', "
                "as `generate --json` and `generate --to-file` write them."
            )
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise UserError(f"{path} holds no texts.")
    return texts


def _text_of(path: Path, line: str) -> str:
    try:
        text = json.loads(line)["text"]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f'{path}: every line must be a JSON object with a "text", unlike {line[:60]!r}.'
        ) from error
    return str(text)
