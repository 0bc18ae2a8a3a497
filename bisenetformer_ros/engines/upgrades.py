"""Which engine serves frames of one size better than PyTorch does, and the commands that make the files it runs."""

import functools
import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bisenetformer_ros.engines import open_engine
from bisenetformer_ros.engines.base import Engine

Arguments = tuple[str, ...]
"""Of `bisenetformer`, the command's name first."""

ON_CPU = ("openvino", "onnxruntime")
"""The faster one first."""


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


def find_upgrade(weights: Path, task: str, device: str, frame_size: tuple[int, int]) -> Upgrade | None:
    """For a weights file that PyTorch runs on `device`, "cpu" or "cuda:N"; None where nothing faster is installed.

    The files lie in the cache folder of the user; their names carry the hash of the weights, so that other weights of
    the same name have other files.
    """
    height, width = frame_size
    stem = f"{weights.stem}-{_sha256(weights, weights.stat().st_mtime_ns)[:12]}-{task}-{height}x{width}"
    on_gpu = device != "cpu"
    engine = next((name for name in (("tensorrt",) if on_gpu else ON_CPU) if find_spec(name)), None)
    if engine is None:
        return None
    precision = "fp16" if on_gpu else "fp32"
    graph = cache_folder() / f"{stem}-{precision}.onnx"
    size = f"{height}x{width}"
    export = ("export", str(weights), str(graph), "--size", size, "--task", task, "--precision", precision)
    steps = [Step(graph, export)]
    if on_gpu:
        path = graph.with_suffix(".engine")
        steps.append(Step(path, ("build-engine", str(graph), str(path))))
    return Upgrade(engine, task, device, tuple(steps))


def cache_folder() -> Path:
    """Where files are kept that can be made again; exists."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "bisenetformer_ros"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.lru_cache(maxsize=4)
def _sha256(path: Path, changed_at: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
