"""The files that a graph engine needs for frames of one size, and the commands that build them. Runs nothing."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from bisenetformer_ros.commands import pip_install, quoted
from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.capabilities import check_precision, supports_precision
from bisenetformer_ros.inference.graph.cache import find_file, graph_name
from bisenetformer_ros.libraries import OLDEST_EXPORTING_TORCH, check_torch
from bisenetformer_ros.machine import available_memory_mib

FILE_ENGINES = {"cpu": ("openvino", "onnxruntime"), "cuda": ("tensorrt",)}
"""Device → engines that `auto` measures where their files exist; ONNX Runtime on CUDA would tune for seconds.

The node asks for the file of the first one or builds it.
"""

IMAGES = "IMAGES"
"""Stands in a command for images like the camera's, which only the user knows or a node collects."""
NEEDED_PACKAGES = {"export": ("onnx", "onnxscript", "onnxruntime"), "build-engine": ("onnx", "onnxruntime")}
"""Command → packages that it imports."""
NEEDED_MIB = 1500
"""Memory that must be available for a command. An export of the shipped network for 480x640 takes 950 MiB."""


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

    @property
    def needs_images(self) -> bool:
        """Whether the command calibrates on images; see `with_images`."""
        return IMAGES in self.options

    def with_images(self, folder: Path) -> "BuildStep":
        """Return the step with `folder` as the images that it needs."""
        return replace(self, options=tuple(str(folder) if word == IMAGES else word for word in self.options))

    def problem(self) -> str:
        """Why the command cannot run on this machine, and the other way to get its file; empty if it can."""
        problems = []
        packages = [name for name in NEEDED_PACKAGES.get(self.command, ()) if find_spec(name) is None]
        if packages:
            problems.append(f"the packages {', '.join(packages)} are missing ({pip_install(*packages)})")
        if self.command == "export":
            try:
                check_torch(OLDEST_EXPORTING_TORCH, "export", "do not replace that of a Jetson")
            except EngineError as error:
                problems.append(str(error))
        available = available_memory_mib()
        if available is not None and available < NEEDED_MIB:
            problems.append(f"{available} MiB of memory are available, expected {NEEDED_MIB}")
        if not problems:
            return ""
        other = "run it while the node is stopped; the node opens the file"
        if self.command == "export":
            other = f"run it on a workstation and copy its file to {self.path}; the node goes on from there"
        return f"{build_command([self])} cannot run here: {'; '.join(problems)}. Or {other}"


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

    @property
    def key(self) -> str:
        """Identifies the engine and its file, which exists, among kept measurements."""
        return f"{self.engine} {self.precision} {self.path.name} {self.path.stat().st_mtime_ns}"

    def pending(self) -> list[BuildStep]:
        """The steps to run until the engine can be opened, given that it cannot: the last one in any case."""
        return [step for step in self.steps if step is self.steps[-1] or not os.path.isfile(step.path)]

    def build_command(self) -> str:
        """`pending` for a message."""
        return build_command(self.pending())


def build_command(steps: Iterable[BuildStep]) -> str:
    return quoted(*(("bisenetformer", *step.arguments) for step in steps))


def plan_engine(
    engine: str,
    weights: Path,
    task: str,
    device: str,
    precision: str,
    frame_size: tuple[int, int],
    num_cameras: int = 1,
) -> EnginePlan:
    """Plan a graph engine for frames of (height, width) `frame_size`.

    Args:
        engine: "onnxruntime", "openvino" or "tensorrt".
        weights: Weights file.
        device: "cpu" or "cuda[:N]".
        precision: One of PRECISIONS.
        num_cameras: Number of frames that may come together, which TensorRT runs as one batch.

    Raises:
        EngineError: If the engine does not support the precision on the device.
    """
    of_graph = graph_precision(engine, device, precision)
    options: tuple[str, ...] = ("--size", "{}x{}".format(*frame_size), "--task", task, "--precision", of_graph)
    if of_graph == "int8":
        options += ("--calibrate", IMAGES)
        options += ("--symmetric",) if engine == "tensorrt" else ()
    if device == "cpu" or engine == "tensorrt":
        options += ("--engine", engine)
    name = graph_name(weights, task, frame_size, graph_label(engine, device, precision))
    of_engine: tuple[str, ...] = ()
    if engine == "tensorrt" and num_cameras > 1:
        name = f"{name.removesuffix('.onnx')}-batch.onnx"
        options += ("--dynamic-batch",)
        of_engine = ("--max-batch", str(num_cameras))
    graph = find_file(weights, name)
    steps = [BuildStep("export", weights, graph, options)]
    if engine == "tensorrt":
        name = f"{graph.stem}{num_cameras if num_cameras > 1 else ''}.engine"
        if device not in ("cuda", "cuda:0"):
            of_engine += ("--device", device)
        steps.append(BuildStep("build-engine", graph, find_file(weights, name), of_engine))
    return EnginePlan(engine, task, device, precision, tuple(steps))


def plan_files(
    weights: Path, task: str, device: str, precision: str, frame_size: tuple[int, int], num_cameras: int = 1
) -> list[EnginePlan]:
    """Plan every installed graph engine that supports the precision on `device`.

    See `plan_engine` for the arguments and errors.
    """
    return [
        plan_engine(engine, weights, task, device, precision, frame_size, num_cameras)
        for engine in FILE_ENGINES[device.partition(":")[0]]
        if find_spec(engine) and supports_precision(engine, device, precision)
    ]


def find_worth_building(device: str) -> str:
    """Return the engine whose file may serve faster than PyTorch on `device`, "cpu" or "cuda[:N]"."""
    return FILE_ENGINES[device.partition(":")[0]][0]


def graph_precision(engine: str, device: str, precision: str) -> str:
    """Precision of the graph with which `engine` computes in `precision`.

    Raises:
        EngineError: If the engine does not support the precision on the device.
    """
    check_precision(engine, device, precision)
    if precision == "auto":
        precision = "fp32" if device == "cpu" else "fp16"
    return "fp32" if precision == "bf16" else precision  # OpenVINO computes in bf16 from a graph in fp32


def graph_label(engine: str, device: str, precision: str) -> str:
    """What file names say of the graph of `graph_precision`; TensorRT's int8 is not that of the other engines."""
    of_graph = graph_precision(engine, device, precision)
    return f"{of_graph}-symmetric" if (engine, of_graph) == ("tensorrt", "int8") else of_graph
