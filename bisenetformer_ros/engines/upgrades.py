"""Which engine would serve frames of one size better than PyTorch, and the commands that make the files it runs."""

from dataclasses import dataclass
from pathlib import Path

from bisenetformer_ros.engines import open_engine
from bisenetformer_ros.engines.base import Engine

Arguments = tuple[str, ...]
"""Of `bisenetformer`, the command's name first."""


@dataclass(frozen=True)
class Step:
    """A file, and the command that makes it."""

    path: Path
    arguments: Arguments


@dataclass(frozen=True)
class Upgrade:
    """engine: its name. steps: the files in the order in which they are made; the engine runs the last one."""

    engine: str
    task: str
    device: str
    steps: tuple[Step, ...]

    @property
    def path(self) -> Path:
        """The file that the engine runs."""
        return self.steps[-1].path

    def commands(self, path_is_bad: bool) -> list[Arguments]:
        """What there is to run until the engine can be opened; path_is_bad: although `path` is there."""
        return [s.arguments for s in self.steps if not s.path.is_file() or (path_is_bad and s is self.steps[-1])]

    def open(self) -> Engine:
        """Raises EngineError, or ModelError for the file."""
        return open_engine(self.path, self.task, self.engine, self.device)
