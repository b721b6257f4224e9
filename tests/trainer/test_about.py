import json
from pathlib import Path
from typing import Any

import pytest

from trainer.about import write_about
from trainer.checkpoint import State
from trainer.runs import Run
from trainer.settings import Settings


def about(tmp_path: Path, model: str, kind: str = "lines", **settings: Any) -> dict[str, Any]:
    run = Run(tmp_path / "run")
    run.manifest.parent.mkdir(parents=True)
    run.manifest.write_text(json.dumps({"kind": kind, "rows": 3}))
    write_about(run, Settings("a.txt", model, **settings), State(step=9), ["finetune", "a b.txt"])
    return json.loads(run.about.read_text())


def test_published_weights_are_named_with_their_licence(tmp_path: Path):
    facts = about(tmp_path, "124M")
    assert facts["base"] == "openai-community/gpt2"
    assert "GPT-2 wrote it" in str(facts["base_licence"])


def test_a_fresh_model_has_no_base(tmp_path: Path):
    facts = about(tmp_path, "fresh:tiny")
    assert (facts["base"], facts["base_licence"]) == ("", "")


def test_a_local_model_is_named_without_its_place_on_the_disk(tmp_path: Path):
    assert about(tmp_path, "/home/somebody/models/mine")["base"] == "mine"


@pytest.mark.parametrize(("kind", "short"), [("lines", True), ("csv", True), ("text", False)])
def test_prompts_to_a_model_of_short_texts_begin_with_the_end_token(
    tmp_path: Path, kind: str, short: bool
):
    assert about(tmp_path, "fresh:tiny", kind)["prepend_end_token"] is short


def test_the_command_can_be_typed_again_and_the_prefix_is_a_default(tmp_path: Path):
    facts = about(tmp_path, "fresh:tiny", prefix="ROMEO:")
    assert facts["training"]["command"] == "python -m trainer finetune 'a b.txt'"
    assert facts["defaults"] == {"prefix": "ROMEO:"}
