import io
import json
import logging
from collections.abc import Iterator

import pytest

from bot.config import LogConfig
from bot.logs import start_log


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_than_at_a_terminal_each_line_is_an_object():
    stream = io.StringIO()
    start_log(LogConfig(), to=stream)
    logging.getLogger("a.b").warning("it is %s", "hot ☀")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["logger"], line["message"]) == ("warning", "a.b", "it is hot ☀")
    assert line["time"].endswith("+00:00")


def test_at_a_terminal_lines_are_to_be_read():
    stream = Terminal()
    start_log(LogConfig(), to=stream)
    logging.getLogger("a.b").warning("hello")
    assert stream.getvalue().endswith("WARNING a.b: hello\n")


@pytest.mark.parametrize("shape", ["text", "json"])
def test_a_secret_is_in_no_line_and_no_traceback(shape: str):
    stream = io.StringIO()
    start_log(LogConfig.model_validate({"format": shape}), ["s3cret", ""], to=stream)
    try:
        int("s3cret")
    except ValueError:
        logging.getLogger().exception("with %s", "s3cret")
    assert "s3cret" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 2
    assert "Traceback" in stream.getvalue()


def test_chat_libraries_stay_at_info_when_we_debug():
    stream = io.StringIO()
    start_log(LogConfig(level="debug"), to=stream)
    logging.getLogger("bot.x").debug("ours")
    logging.getLogger("discord.http").debug("theirs, with a token")
    assert "ours" in stream.getvalue()
    assert "theirs" not in stream.getvalue()
