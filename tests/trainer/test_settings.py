from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import UserError
from trainer.settings import Settings, read_settings, write_settings

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(prefix=TEXT, source=TEXT, minutes=st.none() | st.floats(0.1, 100), header=st.booleans())
def test_settings_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    prefix: str,
    source: str,
    minutes: float | None,
    header: bool,
):
    path = tmp_path_factory.mktemp("settings") / "config.toml"
    settings = Settings(
        "a.txt", "124M", prefix=prefix, source=source, minutes=minutes, header=header
    )
    write_settings(settings, path)
    assert read_settings(path) == settings


def test_two_budgets_are_refused():
    with pytest.raises(UserError, match="one of --epochs, --steps and --minutes"):
        Settings("a.txt", "124M", epochs=1, steps=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 0), ("lr", 2), ("lr", -1), ("val_fraction", 0), ("context", 1), ("seed", -1),
     ("minutes", float("nan")), ("batch_size", 0)],
)  # fmt: skip
def test_a_number_out_of_bounds_is_refused_by_its_flag(name: str, value: Any):
    with pytest.raises(UserError, match="--" + name.replace("_", "-")):
        Settings("a.txt", "124M", **{name: value})


@pytest.mark.parametrize(
    "content",
    ["no toml", "x = " + "[" * 100_000, 'data = "a"']
    + [
        f'data = "a"\nmodel = "b"\n{line}'
        for line in (
            "odd = 1",
            "lr = 1979-05-27",
            "lr = 9",
            "leave_out = [1]",
            "prefix = 1",
            "top = 1.5",
        )
    ],
)
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path: Path, content: str):
    path = tmp_path / "config.toml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"config\.toml"):
        read_settings(path)
