"""Reddit's monthly dumps: posts by their titles, comments by their bodies, a JSON record a line.

They are mostly compressed with Zstandard, with a window of 2**31 bytes.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from trainer.chats.message import word
from trainer.readers.data_file import DataFile
from trainer.readers.jsonl import parse, records
from trainer.settings import Settings

GONE = {"[deleted]", "[removed]", "[deleted by user]", "[ Removed by Reddit ]"}


def looks_like(file: DataFile) -> str:
    """The first records have a subreddit, a score, and a title or a body."""
    lines = [line for line in islice(filter(str.strip, file.lines), 3) if line.startswith("{")]
    if lines and all(_is_post(parse(line)) for line in lines):
        return "its records are Reddit's"
    return ""


def _is_post(record: Any) -> bool:
    return isinstance(record, dict) and bool(
        {"subreddit", "score"} <= record.keys() and {"title", "body"} & record.keys()
    )


def notes(file: DataFile, settings: Settings) -> str:
    """Say how fewer are chosen."""
    asked = settings.subreddit or settings.top
    return "" if asked else "all subreddits (--subreddit NAME takes one, --top N the best)"


def read(file: DataFile, settings: Settings, dropped: Counter[str]) -> Iterator[str]:
    """Yield titles and bodies; with `top` those of the highest score, the highest first."""
    found = _chosen(file, settings, dropped)
    if settings.top:
        best = heapq.nlargest(settings.top, _counted(found, dropped), key=lambda pair: pair[0])
        dropped["of lower score"] -= len(best)
        found = iter(best)
    for _, text in found:
        yield cleaned(text)


def _counted(
    found: Iterator[tuple[float, str]], dropped: Counter[str]
) -> Iterator[tuple[float, str]]:
    for pair in found:
        dropped["of lower score"] += 1
        yield pair


def _chosen(
    file: DataFile, settings: Settings, dropped: Counter[str]
) -> Iterator[tuple[float, str]]:
    """Scores and raw texts; the shortest length counts before cleaning, as the seed's did."""
    subreddit = settings.subreddit.strip().removeprefix("/").removeprefix("r/").casefold()
    left_out = {name.strip().removeprefix("u/").casefold() for name in settings.leave_out}
    for record in records(file, dropped):
        text = word(record, "title") or word(record, "body")
        if subreddit and word(record, "subreddit").casefold() != subreddit:
            dropped["of other subreddits"] += 1
        elif not text:
            dropped["without a title or body"] += 1
        elif text.strip() in GONE or word(record, "removed_by_category"):
            dropped["deleted or removed"] += 1
        elif word(record, "author").casefold() in left_out:
            dropped["by people left out"] += 1
        elif len(text) < (settings.min_length or 0):
            dropped[f"shorter than {settings.min_length:,} characters"] += 1
        else:
            yield _score(record), text


def _score(record: dict[str, Any]) -> float:
    """The score; of none, or of one that is no number that can be compared, zero."""
    score = record.get("score")
    if isinstance(score, int) and score.bit_length() < 64:
        return score
    return score if isinstance(score, float) and math.isfinite(score) else 0


def cleaned(text: str) -> str:
    """Without Reddit's escapes and without U+FFFD, by the rules of the project's first data."""
    text = text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return text.replace("\ufffd", "")
