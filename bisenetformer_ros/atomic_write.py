"""Writes files completely or not at all."""

import contextlib
import os
from pathlib import Path


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Replace the file at `path` in one step: readers and interruptions see the old content or the new one.

    A device or a pipe, such as /dev/stdout, is written to.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        with open(unfinished, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    finally:
        with contextlib.suppress(OSError):  # of a read-only file system, which would hide the error of open()
            unfinished.unlink(missing_ok=True)
