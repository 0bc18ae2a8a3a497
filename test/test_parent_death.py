import os
import select
import signal
import subprocess
import sys

import pytest
from patience import LIMIT_S

LEASH = [sys.executable, "-m", "bisenetformer_ros.parent_death"]
GRANDCHILD = "print('alive', flush=True); import time; time.sleep(600)"
PARENT = f"""
import os, subprocess, sys
subprocess.Popen([*{LEASH!r}, str(os.getpid()), sys.executable, '-c', {GRANDCHILD!r}]).wait()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_command_ends_with_its_parent_in_whatever_way(how: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout.readline() == b"alive\n"
    parent.send_signal(how)
    assert parent.wait() == -how
    # The pipe has its end only when the last process that could write into it is gone.
    assert select.select([parent.stdout], [], [], LIMIT_S)[0]
    assert parent.stdout.read() == b""


def test_it_becomes_the_command_with_its_exit_code() -> None:
    command = [sys.executable, "-c", "import os, sys; sys.exit(7 if os.getppid() == int(sys.argv[1]) else 1)"]
    assert subprocess.run([*LEASH, str(os.getpid()), *command, str(os.getpid())]).returncode == 7


def test_without_that_parent_nothing_is_started() -> None:
    result = subprocess.run([*LEASH, "1", sys.executable, "-c", GRANDCHILD], capture_output=True, timeout=LIMIT_S)
    assert (result.returncode, result.stdout) == (0, b"")
