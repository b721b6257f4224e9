import json
from collections import Counter
from pathlib import Path
from typing import Any

import zstandard

from tests.trainer.readers.reading import chosen, read, write


def dump(path: Path, *records: dict[str, Any]) -> Path:
    lines = "".join(json.dumps(record) + "\n" for record in records).encode()
    return write(path, zstandard.compress(lines))


def post(title: str, score: Any = 1, subreddit: str = "Ask", **more: Any) -> dict[str, Any]:
    return {"title": title, "score": score, "subreddit": subreddit, "author": "ada"} | more


def test_the_best_of_one_subreddit_are_kept_and_cleaned(tmp_path: Path):
    path = dump(
        tmp_path / "RS.zst", post("Too low a score", 1), post("Salt &amp; pepper\ufffd", 5),
        post("Cats, mostly", 99, "cats"), post("Short", 9), post("The best one", 7),
        post("[removed]", 50), post("Of no score", None),
    )  # fmt: skip
    dropped: Counter[str] = Counter()
    assert chosen(path) == "reddit"
    assert read(path, dropped, subreddit="r/ask", top=2, min_length=8) == [
        "The best one", "Salt & pepper",
    ]  # fmt: skip
    assert dropped == {
        "of lower score": 2, "of other subreddits": 1, "deleted or removed": 1,
        "shorter than 8 characters": 1,
    }  # fmt: skip


def test_comments_are_read_and_authors_left_out(tmp_path: Path):
    comment = {"body": "I agree.", "score": 3, "subreddit": "ask", "author": "bob"}
    path = dump(tmp_path / "RC.zst", comment, comment | {"author": "ada"})
    assert chosen(path) == "reddit"
    assert read(path, leave_out=["u/Ada"]) == ["I agree."]
