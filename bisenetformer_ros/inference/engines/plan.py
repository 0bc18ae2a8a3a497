"""The files that a graph engine needs for frames of one size, and the commands that build them. Runs nothing."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bisenetformer_ros.commands import quoted
from bisenetformer_ros.inference.engines.capabilities import check_precision, supports_precision
from bisenetformer_ros.inference.engines.ranking import faster_than_torch
from bisenetformer_ros.inference.graph.cache import find_file, graph_name


@dataclass(frozen=True)
class BuildStep:
    """The `bisenetformer` command that builds the file `path` from the file `source`."""

    command: str
    source: Path
    path: Path
    options: tuple[str, ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        return (self.command, str(self.source), str(self.path), *self.options)


@dataclass(frozen=True)
class EnginePlan:
    """How to serve frames of one size with `engine`: build the files in order, then open the last one."""

    engine: str
    task: str
    device: str
    precision: str
    steps: tuple[BuildStep, ...]

    @property
    def path(self) -> Path:
        """The file that the engine opens."""
        return self.steps[-1].path

    @property
    def is_built(self) -> bool:
        return os.path.isfile(self.path)

    def pending(self) -> list[BuildStep]:
        """The steps to run until the engine can be opened, given that it cannot: the last one in any case."""
        return [step for step in self.steps if step is self.steps[-1] or not os.path.isfile(step.path)]

    def build_command(self) -> str:
        """`pending` for a message."""
        return build_command(self.pending())


def build_command(steps: Iterable[BuildStep]) -> str:
    return quoted(*(("bisenetformer", *step.arguments) for step in steps))


def plan_engine(
    engine: str, weights: Path, task: str, device: str, precision: str, frame_size: tuple[int, int]
) -> EnginePlan:
    """Plan a graph engine for frames of (height, width) `frame_size`.

    Args:
        engine: "onnxruntime", "openvino" or "tensorrt".
        weights: Weights file.
        device: "cpu" or "cuda[:N]".
        precision: One of PRECISIONS.

    Raises:
        EngineError: If the engine does not support the precision on the device.
    """
    of_graph = graph_precision(engine, device, precision)
    graph = find_file(weights, graph_name(weights, task, frame_size, of_graph))
    options: tuple[str, ...] = ("--size", "{}x{}".format(*frame_size), "--task", task, "--precision", of_graph)
    if of_graph == "int8":
        options += ("--calibrate", "IMAGES")  # only the user knows which
    steps = [BuildStep("export", weights, graph, options)]
    if engine == "tensorrt":
        steps.append(BuildStep("build-engine", graph, find_file(weights, graph.with_suffix(".engine").name)))
    return EnginePlan(engine, task, device, precision, tuple(steps))


def plan_faster(
    weights: Path, task: str, device: str, precision: str, frame_size: tuple[int, int]
) -> EnginePlan | None:
    """Plan the fastest installed engine that beats PyTorch on `device`; None if there is none for the precision."""
    for engine in faster_than_torch(task, device):
        if find_spec(engine) and supports_precision(engine, device, precision):
            return plan_engine(engine, weights, task, device, precision, frame_size)
    return None


def graph_precision(engine: str, device: str, precision: str) -> str:
    """Precision of the graph with which `engine` computes in `precision`.

    Raises:
        EngineError: If the engine does not support the precision on the device.
    """
    check_precision(engine, device, precision)
    if precision == "auto":
        return "fp32" if device == "cpu" else "fp16"
    return "fp32" if precision == "bf16" else precision  # OpenVINO computes in bf16 from a graph in fp32
