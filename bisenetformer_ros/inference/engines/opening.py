"""Opens an engine for a model. Each engine's module is imported only when that engine is opened."""

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from bisenetformer_ros.commands import ours
from bisenetformer_ros.errors import ConfigError, EngineError
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.capabilities import ENGINES, TASK_CHOICES
from bisenetformer_ros.inference.engines.choosing import FastestChooser, no_files
from bisenetformer_ros.inference.engines.kept_measurements import KeptMeasurements
from bisenetformer_ros.inference.engines.measuring import Candidate, Run
from bisenetformer_ros.inference.engines.plan import (
    FILE_ENGINES,
    EnginePlan,
    find_worth_building,
    graph_label,
    plan_engine,
    plan_files,
)
from bisenetformer_ros.inference.engines.switching import EngineChoice, SwitchingEngine
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Sidecar
from bisenetformer_ros.inference.graph.cache import newest_file
from bisenetformer_ros.inference.graph.contract import GraphInfo
from bisenetformer_ros.machine import computes_bf16
from bisenetformer_ros.model.checkpoint import trained_task
from bisenetformer_ros.resources import find_model

GRAPH_ENGINES = ("onnxruntime", "openvino")
"""The engines that open ONNX files."""


def open_engine(
    model: str | Path, task: str = "auto", engine: str = "auto", device: str = "auto", precision: str = "auto"
) -> Engine:
    """Open a model for inference.

    Args:
        model: Weights file, name of a model, graph (.onnx) of `bisenetformer export`, or engine file (.engine)
            of `bisenetformer build-engine`.
        task: One of TASK_CHOICES.
        engine: One of ENGINES. "auto" takes the fastest, measured on the first frame of each size. For a weights file,
            graph engines open the files built from it: beside it, or in the cache.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: One of PRECISIONS. "auto" takes the fastest that agrees with fp32; on a CPU it is measured as well.

    Raises:
        ConfigError: For an unknown task.
        ModelError: For a missing or damaged model.
        EngineError: If the engine is unknown or cannot run the model here.
    """
    if engine not in ENGINES:
        raise EngineError(f"unknown engine '{engine}', expected one of {', '.join(ENGINES)}")
    path = find_model(model)
    task = resolve_task(path, task)
    open_model = {".onnx": _open_graph, ".engine": _open_engine_file}.get(path.suffix.lower(), _open_weights)
    return open_model(path, task, engine, device, precision)


def resolve_task(model: str | Path, task: str) -> str:
    """Return `task`, or for "auto" that of the model.

    Args:
        model: As of `open_engine`; only read for "auto".
        task: One of TASK_CHOICES.

    Raises:
        ConfigError: For an unknown task.
        ModelError, EngineError: For a missing or damaged model.
    """
    if task not in TASK_CHOICES:
        raise ConfigError(f"unknown task '{task}', expected one of {', '.join(TASK_CHOICES)}")
    if task != "auto":
        return task
    path = find_model(model)
    if path.suffix.lower() == ".onnx":
        return GraphInfo.load(path).task
    if path.suffix.lower() == ".engine":
        return Sidecar.load(path).graph.task
    return trained_task(path)


def open_plan(plan: EnginePlan) -> Engine:
    """Open the file of a plan.

    Raises:
        EngineError, ModelError: If the file is missing, damaged or was built for another machine.
    """
    return open_engine(plan.path, plan.task, plan.engine, plan.device, plan.precision)


def _open_weights(path: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    if engine not in ("auto", "torch"):
        return _open_files_of(path, task, engine, device, precision)
    from bisenetformer_ros.inference.engines.torch import TorchEngine, resolve_device

    kind = str(resolve_device(device))
    precisions = ("fp32", "bf16") if (kind, precision) == ("cpu", "auto") and computes_bf16() else (precision,)
    if engine == "torch" and len(precisions) == 1:
        return TorchEngine(path, task, device, precision)
    chooser = FastestChooser(
        KeptMeasurements(path, task, kind),
        {f"torch {each}": partial(TorchEngine, path, task, device, each) for each in precisions},
        no_files if engine == "torch" else partial(_files_of, path, task, kind, precision),
    )
    return SwitchingEngine(chooser.usual, chooser.choose, chooser.measures)


def _files_of(
    weights: Path, task: str, device: str, precision: str, frame_size: tuple[int, int]
) -> tuple[list[Candidate], list[str]]:
    """Candidates with a file for frames of this size, and why the engine that may be faster has none."""
    candidates: list[Candidate] = []
    passed_over: list[str] = []
    worth_building = find_worth_building(device)
    if find_spec(worth_building) is None:
        passed_over.append(f"{worth_building} is not installed")
    try:
        for plan in plan_files(weights, task, device, precision, frame_size):
            if plan.is_built:
                candidates.append(Candidate(plan.key, partial(open_plan, plan)))
            elif plan.engine == worth_building:
                command = plan.build_command()
                passed_over.append(f"{plan.engine} has no file for frames of this size (to build it: {command})")
    except EngineError as error:
        passed_over.append(f"no file can be opened: {error}")
    return candidates, passed_over


def _open_files_of(weights: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    """The named graph engine with the files built from `weights`, one per frame size."""
    _check_device(engine, device)
    on_gpu = engine == "tensorrt" or (engine == "onnxruntime" and device != "cpu" and torch.cuda.is_available())
    kind = (device if device.startswith("cuda:") else "cuda") if on_gpu else "cpu"
    suffix = ".engine" if engine == "tensorrt" else ".onnx"

    def choose(frames: Sequence[np.ndarray], run: Run) -> EngineChoice:
        frame_size = frames[0].shape[:2]
        if frame_size == first.frame_size:
            return EngineChoice(first)
        plan = plan_engine(engine, weights, task, kind, precision, frame_size)
        if not plan.is_built:
            raise EngineError(
                f"engine {engine} has no file of {weights.name} for the {task} task and frames of "
                f"{'{}x{}'.format(*frame_size)} (height x width); build it: {plan.build_command()}"
            )
        return EngineChoice(open_engine(plan.path, task, engine, device, precision))

    newest = newest_file(weights, task, f"-{graph_label(engine, kind, precision)}{suffix}")
    if newest is None:
        example = plan_engine(engine, weights, task, kind, precision, (480, 640))
        raise EngineError(
            f"engine {engine} has no file of {weights.name} for the {task} task; build one for the size (height x "
            f"width) of your frames: {example.build_command()}"
        )
    first = open_engine(newest, task, engine, device, precision)
    return SwitchingEngine(first, choose)


def _check_device(engine: str, device: str) -> None:
    """Raise EngineError if no file would make the engine run here."""
    if engine == "tensorrt":
        from bisenetformer_ros.inference.engines.tensorrt.engine import cuda_device, load_tensorrt

        load_tensorrt()
        cuda_device(device)
    if engine == "openvino":
        from bisenetformer_ros.inference.engines.openvino import check_device

        check_device(device)


def _open_graph(path: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    if engine == "onnxruntime":
        from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path, task, device, precision)
    if engine == "openvino":
        from bisenetformer_ros.inference.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(path, task, device, precision)
    if engine == "auto":
        return _open_fastest_graph(path, task, device, precision)
    advice = {
        "torch": "it opens weights files",
        "tensorrt": f"build an engine file from it: {ours('build-engine', path, path.with_suffix('.engine'))}",
    }
    raise EngineError(f"engine {engine} does not open graphs such as {path}; {advice[engine]}")


def _open_fastest_graph(path: Path, task: str, device: str, precision: str) -> Engine:
    """The first engine that works on a GPU; on a CPU, all are measured."""
    GraphInfo.load(path).check(path, task)
    on_gpu = torch.cuda.is_available() if device == "auto" else device != "cpu"
    names = GRAPH_ENGINES if on_gpu else FILE_ENGINES["cpu"]
    names = tuple(name for name in names if find_spec(name)) or names
    engines = {f"{name} {precision}": partial(_open_graph, path, task, name, device, precision) for name in names}
    reasons = []
    while engines:
        key, open_first = next(iter(engines.items()))
        try:
            if on_gpu:
                return open_first()
            chooser = FastestChooser(KeptMeasurements(path, task, "cpu"), engines)
            return SwitchingEngine(chooser.usual, chooser.choose, chooser.measures)
        except EngineError as error:
            reasons.append(f"{key.partition(' ')[0]}: {error}")
            engines = {other: opener for other, opener in engines.items() if other != key}
    raise EngineError(f"no engine can run {path}: {'; '.join(reasons)}")


def _open_engine_file(path: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    if engine not in ("auto", "tensorrt"):
        raise EngineError(f"{path} is a TensorRT engine file; set engine to tensorrt or auto instead of {engine}")
    from bisenetformer_ros.inference.engines.tensorrt.engine import TensorRTEngine

    return TensorRTEngine(path, task, device, precision)
