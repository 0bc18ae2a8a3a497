"""Where the exported graphs of a weights file lie: beside it, or in the user's cache folder.

A file's name carries the hash of the weights, so that other weights of the same name have other files.
"""

import functools
import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """Where files are kept that can be made again; exists."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "bisenetformer_ros"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def graph_name(weights: Path, task: str, frame_size: tuple[int, int], precision: str) -> str:
    """frame_size: (height, width)."""
    height, width = frame_size
    return f"{_stem(weights, task)}-{height}x{width}-{precision}.onnx"


def find_file(weights: Path, name: str) -> Path:
    """`name` beside the weights if it is there, else in the cache folder, be it there or not."""
    beside = weights.parent / name
    return beside if beside.is_file() else cache_folder() / name


def newest_file(weights: Path, task: str, suffix: str) -> Path | None:
    """The newest file for `task` whose name ends in `suffix`, of any frame size; None if there is none."""
    pattern = f"{_stem(weights, task)}-*{suffix}"
    found = [path for folder in (weights.parent, cache_folder()) for path in folder.glob(pattern)]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def sha256_of(path: Path) -> str:
    """In hexadecimal; a file is read again only when it has changed."""
    return _sha256(path, path.stat().st_mtime_ns)


def _stem(weights: Path, task: str) -> str:
    return f"{weights.stem}-{sha256_of(weights)[:12]}-{task}"


@functools.lru_cache(maxsize=4)
def _sha256(path: Path, changed_at: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
