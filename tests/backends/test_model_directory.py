import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from backends import BackendError
from backends.model_directory import (
    CARD,
    GRAPH,
    TOKENIZER,
    Card,
    check_name,
    list_models,
    model_path,
    read_card,
    verify_model,
    write_model,
)
from tests.backends.test_card import make


def write(target: Path, graph: str = "graph") -> Card:
    def fill(folder: Path) -> None:
        (folder / GRAPH).write_text(graph)
        (folder / TOKENIZER).write_text("{}")

    return write_model(target, fill, lambda files: make(name=target.name, files=files))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write(tmp_path / "tiny")
    return tmp_path / "tiny"


def edit_card(model: Path, change: Callable[[dict[str, object]], object]) -> None:
    card = json.loads((model / CARD).read_text())
    change(card)
    (model / CARD).write_text(json.dumps(card))


def test_what_is_written_is_read_and_verified(model: Path):
    card = verify_model(model)
    assert card.name == "tiny"
    assert set(card.files) == {GRAPH, TOKENIZER}


def test_a_model_is_replaced_as_a_whole(model: Path):
    write(model, graph="another")
    assert (model / GRAPH).read_text() == "another"
    assert verify_model(model).files != {}
    assert list_models(model.parent) == ["tiny"]


def test_a_failure_while_writing_leaves_the_old_model(model: Path):
    def fill(folder: Path) -> None:
        (folder / GRAPH).write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_model(model, fill, lambda files: make(files=files))
    assert verify_model(model).name == "tiny"
    assert [path.name for path in model.parent.iterdir()] == ["tiny"]


def test_a_directory_that_is_no_model_is_never_replaced(tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(BackendError, match="is not a model directory"):
        write(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").exists()


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated graph": (
        lambda model: (model / GRAPH).write_text("gra"),
        "model.onnx of the model tiny is damaged",
    ),
    "one bit flipped": (
        lambda model: (model / GRAPH).write_text("grapi"),
        "model.onnx of the model tiny is damaged",
    ),
    "missing file": (
        lambda model: (model / TOKENIZER).unlink(),
        "tokenizer.json of the model tiny is missing",
    ),
    "no card": (lambda model: (model / CARD).unlink(), "it has no card.json"),
    "card is no JSON": (
        lambda model: (model / CARD).write_text("{"),
        "card.json .* cannot be read",
    ),
    "card is no text": (
        lambda model: (model / CARD).write_bytes(b"\xff\xfe\x00"),
        "card.json .* cannot be read",
    ),
    "card is no object": (lambda model: (model / CARD).write_text("[]"), "card.json .* is broken"),
    "future format": (
        lambda model: edit_card(model, lambda card: card.update(format=2)),
        r"made by a newer chinwag \(format 2; this one reads 1\): upgrade",
    ),
    "format zero": (
        lambda model: edit_card(model, lambda card: card.update(format=0)),
        "is broken .format",
    ),
    "wrong type": (
        lambda model: edit_card(model, lambda card: card.update(created="once")),
        "is broken .created",
    ),
    "graph not listed": (
        lambda model: edit_card(model, lambda card: card.update(files={TOKENIZER: "0" * 64})),
        "does not list model.onnx",
    ),
    "path out of the directory": (
        lambda model: edit_card(model, lambda card: card.update(files={"../secret": "0" * 64})),
        "is broken .files",
    ),
    "directory is a file": (
        lambda model: (shutil.rmtree(model), model.write_text("")),
        "There is no model directory",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_model_is_refused_with_a_sentence(what: str, model: Path):
    damage, sentence = BROKEN[what]
    damage(model)
    with pytest.raises(BackendError, match=sentence):
        verify_model(model)


def test_models_are_listed_by_name_and_hidden_or_foreign_folders_are_not(tmp_path: Path):
    for name in ("b", "a"):
        write(tmp_path / name)
    (tmp_path / "empty").mkdir()
    shutil.copytree(tmp_path / "a", tmp_path / ".a.1234.partial")
    assert list_models(tmp_path) == ["a", "b"]
    assert list_models(tmp_path / "nowhere") == []


@pytest.mark.parametrize("name", ["", "..", "../../x", "a/b", ".hidden", "Up", "a\n", "x" * 65])
def test_a_name_that_could_leave_its_folder_is_refused(name: str, tmp_path: Path):
    with pytest.raises(BackendError, match="cannot be a name"):
        model_path(tmp_path, name)


def test_a_plain_name_is_taken(tmp_path: Path):
    assert check_name("gpt-2_1.5b") == "gpt-2_1.5b"
    assert model_path(tmp_path, "ask") == tmp_path / "ask"


def test_the_card_alone_is_read_without_a_look_at_large_files(model: Path):
    (model / GRAPH).unlink()
    assert read_card(model).name == "tiny"
