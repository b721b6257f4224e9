from pathlib import Path

import pytest
from pydantic import ValidationError

from backends import UserError
from bot.secret import Secret


def test_a_secret_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_TOKEN", " abc \n")
    assert Secret(env="A_TOKEN").read().get_secret_value() == "abc"


def test_a_secret_is_read_from_the_first_line_of_a_file(tmp_path: Path):
    (tmp_path / "token").write_text("abc\nnot this\n")
    assert Secret(file=tmp_path / "token").read().get_secret_value() == "abc"


def test_what_is_read_is_not_shown_by_accident(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_TOKEN", "abc")
    secret = Secret(env="A_TOKEN")
    assert "abc" not in f"{secret!r} {secret} {secret.read()!r} {secret.read()}"


@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_an_empty_secret_is_no_secret(tmp_path: Path, text: str):
    (tmp_path / "token").write_text(text)
    with pytest.raises(UserError, match="No secret is in the file"):
        Secret(file=tmp_path / "token").read()


def test_a_file_that_is_no_text_is_told_without_its_bytes(tmp_path: Path):
    (tmp_path / "token").write_bytes(b"\xff\xfeabc")
    with pytest.raises(UserError, match="it is not UTF-8 text"):
        Secret(file=tmp_path / "token").read()


@pytest.mark.parametrize("raw", [{}, {"env": "A", "file": "b"}, {"environment": "A"}, "abc"])
def test_a_secret_is_in_one_named_place(raw: object):
    with pytest.raises(ValidationError):
        Secret.model_validate(raw)
