"""Which engine serves frames of one size better than PyTorch does, and the commands that make the files it runs."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bisenetformer_ros.inference.engines import open_engine
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.ranking import faster_than_torch
from bisenetformer_ros.inference.graph.cache import find_file, graph_name
from bisenetformer_ros.inference.graph.contract import GRAPH_PRECISIONS

Arguments = tuple[str, ...]
"""Of `bisenetformer`, the command's name first."""


def shell(commands: Iterable[Arguments]) -> str:
    """The commands in one line for a shell."""
    return " && ".join(shlex.join(["bisenetformer", *arguments]) for arguments in commands)


@dataclass(frozen=True)
class Step:
    """A file, and the command that makes it."""

    path: Path
    arguments: Arguments


@dataclass(frozen=True)
class Upgrade:
    """engine: its name. precision: "auto" or what is asked for. steps: the files in the order in which they are made;
    the engine runs the last one."""

    engine: str
    task: str
    device: str
    precision: str
    steps: tuple[Step, ...]

    @property
    def path(self) -> Path:
        """The file that the engine runs."""
        return self.steps[-1].path

    def commands(self, path_is_bad: bool) -> list[Arguments]:
        """What there is to run until the engine can be opened; path_is_bad: although `path` is there."""
        return [s.arguments for s in self.steps if not s.path.is_file() or (path_is_bad and s is self.steps[-1])]

    def by_hand(self) -> str:
        """What a user types to have the files that are missing."""
        return shell(self.commands(path_is_bad=False))

    def open(self) -> Engine:
        """Raises EngineError, or ModelError for the file."""
        return open_engine(self.path, self.task, self.engine, self.device, self.precision)


def find_upgrade(weights: Path, task: str, device: str, precision: str, frame_size: tuple[int, int]) -> Upgrade | None:
    """For a weights file that PyTorch runs on `device`, "cpu" or "cuda:N"; None where nothing faster is installed."""
    engine = next((name for name in faster_than_torch(task, device) if find_spec(name)), None)
    return plan_upgrade(engine, weights, task, device, precision, frame_size) if engine else None


def plan_upgrade(
    engine: str, weights: Path, task: str, device: str, precision: str, frame_size: tuple[int, int]
) -> Upgrade:
    """engine: "openvino", "onnxruntime" or "tensorrt". device: "cpu" or "cuda:N". precision: see `graph_precision`."""
    of_graph = graph_precision(device, precision)
    graph = find_file(weights, graph_name(weights, task, frame_size, of_graph))
    size = "{}x{}".format(*frame_size)
    export: Arguments = ("export", str(weights), str(graph), "--size", size, "--task", task, "--precision", of_graph)
    if of_graph == "int8":
        export += ("--calibrate", "IMAGES")  # which ones, only the user knows
    steps = [Step(graph, export)]
    if engine == "tensorrt":
        path = find_file(weights, graph.with_suffix(".engine").name)
        steps.append(Step(path, ("build-engine", str(graph), str(path))))
    return Upgrade(engine, task, device, precision, tuple(steps))


def graph_precision(device: str, precision: str) -> str:
    """Of the graph: the one asked for where graphs have it, else fp32 for the CPU and fp16 for a GPU."""
    return precision if precision in GRAPH_PRECISIONS else "fp32" if device == "cpu" else "fp16"
