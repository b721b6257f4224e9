import os
import signal
import subprocess
import sys

import pytest

from trainer.interrupt import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_once_and_the_old_handler_comes_back(number: signal.Signals):
    before, said = signal.getsignal(number), []
    with stop_requests(lambda: said.append("stopping")) as stopping:
        assert not stopping()
        os.kill(os.getpid(), number)
        assert stopping()
    assert said == ["stopping"]
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_the_process_at_once():
    code = (
        "import os, signal\n"
        "from trainer.interrupt import stop_requests\n"
        "with stop_requests(lambda: None):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('never printed', flush=True)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == "still here\n"
