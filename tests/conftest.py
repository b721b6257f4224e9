"""What several test files share: a tiny model, made once."""

from pathlib import Path

import pytest

from tests.models import tiny_model_directory


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a tiny GPT-2 in fp32. Not to be written to."""
    return tiny_model_directory(tmp_path_factory.mktemp("models") / "tiny")
