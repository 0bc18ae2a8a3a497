"""Where the files built from a weights file live: beside it, or in the user's cache folder.

File names carry the hash of the weights, so that other weights of the same name have other files. Looking for files
never creates the cache folder and never fails: without a usable folder there are no files.
"""

import os
from pathlib import Path

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.file_hash import sha256_of

CHOSEN_FOLDER = "BISENETFORMER_CACHE_DIR"
"""Variable that carries the choice to the commands that a node starts."""


def choose_cache_folder(folder: str) -> None:
    """Use another cache folder in this process and in those that it starts; empty for the default."""
    os.environ[CHOSEN_FOLDER] = folder


def cache_folder() -> Path | None:
    """The folder for files that can be rebuilt, existing or not; None if the user has no home directory."""
    chosen, base = os.environ.get(CHOSEN_FOLDER), os.environ.get("XDG_CACHE_HOME")
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        return (Path(base) if base else Path.home() / ".cache") / "bisenetformer_ros"
    except RuntimeError:  # HOME is unset, and the user id has no passwd entry
        return None


def cache_problem() -> str:
    """Why no file can be written to the cache folder, and how to fix it; empty if one can."""
    folder = cache_folder()
    if folder is None:
        return f"there is no cache folder, as user {os.getuid()} has no home directory: set the parameter cache_dir"
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK):
        return ""
    return f"the cache folder {folder} cannot be written: set the parameter cache_dir to a writable folder"


def check_output(path: Path, suffix: str = "") -> None:
    """Check before the work that a file can be written to `path`; create the cache folder if that is where it goes.

    Raises:
        ConfigError: If `path` does not end in `suffix`, or its folder does not exist.
    """
    if path.parent == cache_folder():
        path.parent.mkdir(parents=True, exist_ok=True)
    if not path.name.endswith(suffix) or not path.parent.is_dir():
        kind = f"{suffix} file" if suffix else "file"
        raise ConfigError(f"expected a {kind} in an existing folder to write to, got {path}")


def graph_name(weights: Path, task: str, frame_size: tuple[int, int], precision: str) -> str:
    """File name of a graph for frames of (height, width) `frame_size`."""
    height, width = frame_size
    return f"{_stem(weights, task)}-{height}x{width}-{precision}.onnx"


def find_file(weights: Path, name: str) -> Path:
    """`name` beside the weights if it exists there, else in the cache folder, whether it exists or not."""
    beside = weights.parent / name
    folder = cache_folder()
    return beside if folder is None or os.path.isfile(beside) else folder / name


def newest_file(weights: Path, task: str, suffix: str) -> Path | None:
    """The newest file for `task` whose name ends in `suffix`, for any frame size; None if there is none."""
    pattern = f"{_stem(weights, task)}-*{suffix}"
    folders = filter(None, (weights.parent, cache_folder()))
    found = [path for folder in folders for path in folder.glob(pattern)]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _stem(weights: Path, task: str) -> str:
    return f"{weights.stem}-{sha256_of(weights)[:12]}-{task}"
