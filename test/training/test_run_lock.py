import errno
import fcntl
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bisenetformer_ros.training.run_lock import RunInUseError, run_lock

HOLDER = """
import os, sys
from pathlib import Path
from bisenetformer_ros.training.run_lock import run_lock

with run_lock(Path(sys.argv[1])):
    if os.fork() == 0:  # as a loader process, which outlives its training for some seconds
        os.close(1)
        sys.stdin.read()
        os._exit(0)
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process


def test_the_holder_is_named_until_it_ends(tmp_path: Path) -> None:
    with holder(tmp_path / "run") as process:
        said = f"{tmp_path}/run is in use: process {process.pid} trains there. .*`kill {process.pid}` .* another --out"
        with pytest.raises(RunInUseError, match=said), run_lock(tmp_path / "run"):
            pass
        process.stdin.close()
        process.wait()
        with run_lock(tmp_path / "run") as is_locked:
            assert is_locked


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """Although its child still runs and the file still names it."""
    with holder(tmp_path) as process:
        process.kill()
        process.wait()
        assert (tmp_path / "lock").read_text(encoding="utf-8").startswith(f"{process.pid} ")
        with run_lock(tmp_path) as is_locked:
            assert is_locked


def test_a_holder_on_another_host_is_named_with_it(tmp_path: Path) -> None:
    with holder(tmp_path):
        (tmp_path / "lock").write_text("17 elsewhere", encoding="utf-8")  # what that process writes over NFS
        with (
            pytest.raises(RunInUseError, match=r"process 17 on elsewhere .*`kill 17` on elsewhere "),
            run_lock(tmp_path),
        ):
            pass
        (tmp_path / "lock").write_text("", encoding="utf-8")
        with pytest.raises(RunInUseError, match=re.escape("another process trains there")), run_lock(tmp_path):
            pass


def test_a_file_system_without_locks_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with run_lock(tmp_path) as is_locked:
        assert not is_locked
