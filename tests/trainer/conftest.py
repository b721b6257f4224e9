"""A run as training leaves it, made once."""

import json

import numpy as np
import pytest

from tests.models import END, tiny_checkpoint, tiny_tokenizer
from trainer.runs import Run

TITLES = [f"What would number {n} do if {n} friends came to dinner?" for n in range(60)]


@pytest.fixture(scope="session")
def titles_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with an untrained tiny model, 50 titles learned and 10 held out. Not to be changed."""
    run = Run(tmp_path_factory.mktemp("runs") / "titles")
    tiny_checkpoint(run.best)
    tokenizer = tiny_tokenizer()
    tokenizer.save(str(run.tokenizer))
    end = tokenizer.token_to_id(END)
    run.training.parent.mkdir()
    for path, titles in ((run.training, TITLES[:50]), (run.validation, TITLES[50:])):
        ids = [token for title in titles for token in (*tokenizer.encode(title).ids, end)]
        np.save(path, np.array([end, *ids], np.uint16))
    run.config.write_text('data = "titles.txt"\nmodel = "fresh:tiny"\n')
    about = {"training": {}, "data": {}, "defaults": {}, "prepend_end_token": True}
    run.about.write_text(json.dumps(about))
    return run
