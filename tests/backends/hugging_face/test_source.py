import json
from pathlib import Path

import pytest

from backends import BackendError, ModelSpec
from backends.hugging_face.source import Source, find_source
from backends.model_directory import CARD


def find(path: Path | None) -> Source:
    return find_source(ModelSpec("m", "transformers", path))


def run_in(folder: Path) -> Path:
    """Make the files of a run as far as they matter here; returns its best checkpoint's folder."""
    best = folder / "checkpoints" / "best"
    best.mkdir(parents=True)
    (folder / "config.toml").touch()
    (best / "config.json").write_text("{}")
    return best


def test_a_directory_with_a_config_is_taken_as_it_is(tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    assert find(tmp_path).folder == tmp_path


def test_a_run_stands_for_its_best_checkpoint_and_what_is_known_of_it(tmp_path: Path):
    best = run_in(tmp_path)
    (tmp_path / "about.json").write_text(json.dumps({"base": "gpt2", "base_licence": "MIT"}))
    for path in (tmp_path, best):
        source = find(path)
        assert source.folder == best
        assert source.facts() == {"Base weights": "gpt2", "Licence": "MIT"}


def test_a_run_without_a_checkpoint_is_a_sentence(tmp_path: Path):
    (tmp_path / "config.toml").touch()
    with pytest.raises(BackendError, match="has no checkpoint yet: train it first"):
        find(tmp_path)


def test_broken_facts_of_a_run_are_a_sentence(tmp_path: Path):
    run_in(tmp_path)
    (tmp_path / "about.json").write_text("{")
    with pytest.raises(BackendError, match=r"about\.json cannot be read"):
        find(tmp_path)


def test_what_is_no_model_is_a_sentence(tmp_path: Path):
    with pytest.raises(BackendError, match="m needs a path"):
        find(None)
    with pytest.raises(BackendError, match="There is no directory"):
        find(tmp_path / "nowhere")
    with pytest.raises(BackendError, match=r"holds no model: give the directory .* or a run"):
        find(tmp_path)


def test_our_own_model_directory_is_sent_to_the_onnx_backend(tmp_path: Path):
    (tmp_path / CARD).write_text("{}")
    with pytest.raises(BackendError, match='serve it with backend = "onnx"'):
        find(tmp_path).require("*.onnx2", instead="export it")


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [x]\n---\n# A model\n", "apache-2.0"),
        ("---\nlanguage: en\nlicense: 'mit'\n---\n", "mit"),
        ("---\nlanguage: en\n---\nlicense: mit\n", None),
        ("# A model\nlicense: mit\n", None),
        ("", None),
        (None, None),
    ],
)
def test_the_licence_is_read_from_a_model_cards_metadata_only(
    card: str | None, licence: str | None, tmp_path: Path
):
    (tmp_path / "config.json").write_text("{}")
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert find(tmp_path).facts().get("Licence") == licence
