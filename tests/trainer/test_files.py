import hashlib
from pathlib import Path
from typing import Any

import pytest

from backends import UserError
from tests.trainer.readers.reading import write
from trainer.files import gather
from trainer.settings import Settings

PROGRAM = "def f():\n\n    return 1\n"
PROSE = "It was a dark night and the wind\nblew over the hills.\n\n" * 9
TABLE = "title\nWhat is it?\nWhy is it so?\n"


def names(*data: Path | str, **more: Any) -> list[tuple[str, str]]:
    parts, _ = gather(Settings([str(path) for path in data], "fresh:tiny", **more))
    return [(part.name, part.format) for part in parts]


def put(folder: Path, **files: str | bytes) -> Path:
    """Write files whose names have _ for a dot and __ for a slash."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    return folder


def test_of_a_folder_plain_texts_are_documents_and_tables_are_tables(tmp_path: Path):
    folder = put(tmp_path / "data", a_txt=PROSE, b__c_txt=TABLE, d_csv=TABLE)
    assert names(folder) == [
        ("data/a.txt", "document"),
        ("data/d.csv", "csv"),
        ("data/b/c.txt", "document"),
    ]


def test_of_a_source_tree_programs_are_read_and_what_others_wrote_is_not(tmp_path: Path):
    folder = put(
        tmp_path / "tree",
        a_py=PROGRAM, b__c_js=PROGRAM, d_rs=PROGRAM, f_go=PROGRAM, README_md=PROSE,
        t_csv=TABLE, node__modules=b"", _git__config=PROGRAM, vendor__e_py=PROGRAM,
        logo_png=b"\x89PNG\0\0", empty_py=b"",
    )  # fmt: skip
    parts, skipped = gather(Settings(str(folder), "fresh:tiny"))
    assert {part.name for part in parts} == {
        "tree/a.py", "tree/b/c.js", "tree/d.rs", "tree/f.go", "tree/README.md",
    }  # fmt: skip
    assert {part.format for part in parts} == {"document"}
    assert skipped == {
        "hidden folders": 1,
        "folders of others' or made files": 1,
        "tables among programs": 1,
        "empty files": 2,
        "files unreadable, binary or of unclear encoding": 1,
    }


def test_links_are_not_followed(tmp_path: Path):
    folder = put(tmp_path / "data", a_txt=PROSE, b__c_txt=PROSE)
    (folder / "loop").symlink_to(folder)
    (folder / "d.txt").symlink_to(folder / "a.txt")
    parts, skipped = gather(Settings(str(folder), "fresh:tiny"))
    assert len(parts) == 2
    assert skipped == {"linked folders": 1, "linked files": 1}


def test_a_pattern_means_the_files_that_match_and_none_is_read_twice(tmp_path: Path):
    folder = put(tmp_path, a_csv=TABLE, b_csv=TABLE, c_txt=PROSE)
    assert names(f"{folder}/*.csv", folder / "a.csv") == [("a.csv", "csv"), ("b.csv", "csv")]
    with pytest.raises(UserError, match="No file matches"):
        names(f"{folder}/*.tsv")


def test_a_file_that_was_named_is_not_skipped_in_silence(tmp_path: Path):
    folder = put(tmp_path, a_csv=TABLE, b_png=b"\x89PNG\0\0")
    with pytest.raises(UserError, match="is binary"):
        names(folder / "a.csv", folder / "b.png")
    with pytest.raises(UserError, match="cannot be read"):
        names(folder / "none.txt")


def test_a_folder_without_texts_is_refused_with_what_was_left_out(tmp_path: Path):
    with pytest.raises(UserError, match="1 hidden files"):
        names(put(tmp_path, _hidden=PROSE))


def test_the_user_has_the_last_word_on_the_format_in_folders_too(tmp_path: Path):
    assert names(put(tmp_path / "a", b_txt=TABLE), format="lines") == [("a/b.txt", "lines")]


def test_the_checksum_is_that_of_the_file(tmp_path: Path):
    part = gather(Settings(str(write(tmp_path / "a.csv", TABLE)), "fresh:tiny"))[0][0]
    assert part.sha256() == hashlib.sha256(TABLE.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("a.txt", {"column": "2"}),
        ("a.csv", {"format": "lines", "header": False}),
        ("a.csv", {"separator": "%", "format": "csv"}),
        ("a.txt", {"min_length": 3}),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    tmp_path: Path, name: str, option: dict[str, Any]
):
    folder = put(tmp_path, a_txt=PROSE, a_csv=TABLE)
    with pytest.raises(
        UserError, match=f"--{next(iter(option.keys() - {'format'}))[:3]}.* nothing"
    ):
        names(folder / name, **option)
