"""File names of any encoding, for what accepts only UTF-8.

Python represents the other bytes of a name as surrogates (PEP 383). Text files and libraries in C++ and Rust reject
those; OpenCV even crashes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def utf8_path(path: Path) -> Iterator[str]:
    """Return a path in UTF-8 of an existing file: its own, or inside the block one of an open file descriptor."""
    if printable(path) == str(path):
        yield str(path)
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield f"/dev/fd/{descriptor}"
    finally:
        os.close(descriptor)


def printable(text: object) -> str:
    """Escape the bytes of a file name that are not UTF-8, as in stra\\udcdfe.png."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
