import os
import signal
import subprocess
import sys

import pytest

from bisenetformer_ros.training.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_nothing_else_happens(number: int) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert interruption.signal_number is None
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert interruption.signal_number == number
    assert signal.getsignal(number) is before


def test_before_and_after_it_a_signal_does_what_it_did() -> None:
    with Interruption():
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_process_that_ignores_interruptions_lives_on() -> None:
    script = (
        "import os, signal\n"
        "from bisenetformer_ros.training.interruption import ignore_interruptions\n"
        "ignore_interruptions()\n"
        "os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGTERM)\n"
        "print('alive')"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout == "alive\n"
