"""One training at a time in the folder of a run."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bisenetformer_ros.commands import quoted
from bisenetformer_ros.errors import BiSeNetFormerError

LOCK = "lock"


class RunInUseError(BiSeNetFormerError):
    """Another process trains in the folder of the run."""


@contextmanager
def run_lock(folder: Path) -> Iterator[bool]:
    """Keep other trainings out of a folder, which is created.

    The kernel holds the lock and releases it when the process ends, however it ends: a file that is left behind locks
    nothing. NFS passes such locks on to other hosts. Loader processes do not inherit it, so it ends with the training.

    Yields:
        Whether there is a lock; False if the file system has none.

    Raises:
        RunInUseError: Another process has the lock; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = True
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.seek(0)
                raise RunInUseError(_explain(folder, file.read())) from None
            is_locked = False
        file.truncate(0)
        file.write(f"{os.getpid()} {socket.gethostname()}")
        file.flush()
        yield is_locked


def _explain(folder: Path, holder: str) -> str:
    """holder: "PID HOST", or "" if it was just about to write that."""
    pid, _, host = holder.partition(" ")
    where = "" if host == socket.gethostname() else f" on {host}"
    process, stop = "another process", "stop it"
    if holder:
        process, stop = f"process {pid}{where}", f"stop it by {quoted(('kill', pid))}{where}"
    return (
        f"{folder} is in use: {process} trains there. Wait for it, {stop} (it saves its state, and the same command "
        "resumes it), or choose another --out"
    )
