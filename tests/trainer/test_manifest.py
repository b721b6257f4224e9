import hashlib
from collections import Counter
from pathlib import Path

from tests.trainer.readers.reading import write
from trainer.encode import Counts
from trainer.manifest import ON_CARD, for_card, manifest
from trainer.settings import Settings
from trainer.texts import Texts


def test_every_file_is_named_with_its_checksum_its_format_and_its_texts(tmp_path: Path):
    titles = write(tmp_path / "a.csv", "title\nWhy?\n\nHow is it?\n")
    pages = write(tmp_path / "b.txt", "A page\n\nof text.\n")
    asked = Settings([str(titles), str(pages)], "124M", source="me", consent="all of us")
    texts = Texts.of(asked)
    found = list(texts)
    facts = manifest(texts, Counts(texts=len(found)))
    assert facts["files"] == [
        {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "kind": kind,
            "rows": rows,
        }
        for path, kind, rows in ((titles, "csv", 2), (pages, "document", 1))
    ]
    assert (facts["kind"], facts["rows"]) == ("several", 3)
    assert (facts["source"], facts["consent"]) == ("me", "all of us")
    assert facts["dropped"] == {"blank": 1}


def test_a_single_file_stands_at_the_top_too(tmp_path: Path):
    texts = Texts.of(Settings(str(write(tmp_path / "a.csv", "title\nWhy?\n")), "124M"))
    facts = manifest(texts, Counts())
    assert (facts["file"], facts["kind"]) == ("a.csv", "csv")
    assert facts["sha256"] == facts["files"][0]["sha256"]


def test_what_a_folder_lacks_is_counted_and_no_path_of_this_machine_is_told(tmp_path: Path):
    write(tmp_path / "a.md", "A page\n\nof text.\n")
    (tmp_path / "empty.md").touch()
    texts = Texts.of(Settings(str(tmp_path), "124M"))
    facts = manifest(texts, Counts())
    assert facts["files_left_out"] == Counter({"empty files": 1})
    assert str(tmp_path.parent) not in str(facts)


def test_the_card_names_the_first_of_very_many_files():
    data = {"kind": "document", "files": [{"file": str(n)} for n in range(ON_CARD + 1)]}
    card = for_card(data)
    assert (len(card["files"]), card["files_in_all"]) == (ON_CARD, ON_CARD + 1)
    assert len(data["files"]) == ON_CARD + 1
    assert for_card({"kind": "lines", "rows": 3}) == {"kind": "lines", "rows": 3}
