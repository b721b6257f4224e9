"""The notebook for a hosted GPU does what it says, but for the cells that need the host."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebooks" / "finetune.ipynb"
ROOT = NOTEBOOK.parents[2]


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_stored_without_outputs():
    for cell in read().cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


def test_its_cells_finetune_write_keep_and_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    speech = "ROMEO:\nWhat light through yonder window breaks, {n}?\n\nJULIET:\nWho is it? {n}\n\n"
    text = "".join(speech.format(n=n) for n in range(300))
    (tmp_path / "plays.txt").write_text(text, encoding="utf-8")
    given = {
        "DATA": "plays.txt", "MODEL": "fresh:tiny", "MANY": "5", "MEASURED": "5", "MORE_STEPS": "4",
        "OPTIONS": "--steps 3 --context 32 --batch-size 4 --threads 1", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    notebook = read()
    notebook.cells = [
        cell for cell in notebook.cells if "hosted" not in cell.metadata.get("tags", [])
    ]
    client = NotebookClient(notebook, timeout=150, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=dict(os.environ))
    assert (tmp_path / "runs" / "stage" / "curve.png").is_file()
    assert (tmp_path / "runs" / "stage-again" / "config.toml").is_file()
    assert (tmp_path / "many.txt").read_text().count("=" * 20) >= 1
    shutil.unpack_archive(tmp_path / "drive" / "stage.zip", tmp_path / "bot")
    assert (tmp_path / "bot" / "stage" / "card.json").is_file()
    outputs = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "ROMEO:" in outputs
    assert "longest copied run" in outputs.casefold()
