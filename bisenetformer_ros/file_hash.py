"""Hashes of files."""

import functools
import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Hexadecimal digest; a file is only read again if it has changed."""
    return _sha256(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, changed_at: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
