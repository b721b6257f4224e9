import subprocess
import sys
from pathlib import Path

import pytest

from backends import UserError
from bot.data_dir import data_directory

HOLDER = """
import sys
from pathlib import Path
from bot.data_dir import data_directory
with data_directory(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_who_has_the_directory(tmp_path: Path):
    with subprocess.Popen(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=rf"process {holder.pid}"), data_directory(tmp_path):
            pass
        holder.kill()
    with data_directory(tmp_path):
        pass


def test_the_directory_is_made_and_is_free_again_afterwards(tmp_path: Path):
    for _ in range(2):
        with data_directory(tmp_path / "a" / "b") as folder:
            assert folder.is_dir()


def test_a_directory_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be used"), data_directory(tmp_path / "file" / "a"):
        pass
