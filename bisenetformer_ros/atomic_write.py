"""Writes files completely or not at all."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

Content = bytes | memoryview


def write_atomically(path: Path, content: Content, durable: bool = True) -> None:
    """Replace the file at `path` in one step: readers and interruptions see the old content or the new one.

    Args:
        path: File.
        content: New content.
        durable: Whether that holds for a power failure too, which takes some ms.
    """
    if path.exists() and not path.is_file():  # /dev/stdout, a pipe
        path.write_bytes(content)
    else:
        write_together({path: content}, durable)


def write_together(files: Mapping[Path, Content], durable: bool = True) -> None:
    """Replace files that belong together, in this order, once all contents are on the disk; see `write_atomically`.

    Processes that write files of one folder take turns, so that those of one process remain, not some of each.
    """
    with ExitStack() as stack:
        for path, content in files.items():
            stack.callback(_remove, _unfinished(path))
            with open(_unfinished(path), "wb") as stream:
                stream.write(content)
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
        if len(files) > 1:
            stack.enter_context(_turn_in(next(iter(files)).parent))
        for path in files:
            os.replace(_unfinished(path), path)


@contextmanager
def _turn_in(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # NFS does not lock folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _unfinished(path: Path) -> Path:
    short = os.fsdecode(os.fsencode(path.name)[:200])  # a name has at most 255 bytes
    return path.with_name(f"{short}.{os.getpid()}.unfinished")


def _remove(path: Path) -> None:
    with suppress(OSError):  # of a read-only file system, which would hide the error of open()
        path.unlink(missing_ok=True)
