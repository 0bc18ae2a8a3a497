"""What set-up has finished, so that it repeats nothing and survives an interruption."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class State:
    """The finished steps with the inputs that each was done for, kept in a file inside the venv."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._steps = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            self._steps = {}

    def inputs(self, step: str) -> Any:
        """The inputs that `step` was last finished for; None if it never was."""
        return self._steps.get(step)

    def finish(self, step: str, inputs: Any) -> None:
        self._steps[step] = inputs
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(self._steps, indent=2), encoding="utf-8")
        temporary.replace(self._file)

    def forget(self) -> None:
        self._steps = {}
        self._file.unlink(missing_ok=True)


def digest(root: Path, paths: Iterable[Path]) -> str:
    """A hash of the names and contents of files; a directory stands for all files in it."""
    files = {file for path in paths for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()}
    result = hashlib.sha256()
    for file in sorted(files):
        content = file.read_bytes()
        result.update(f"{file.relative_to(root)} {len(content)}\n".encode())
        result.update(content)
    return result.hexdigest()


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Lets one set-up of `directory` run at a time; the others wait."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
