"""Opens an engine for a model. Each engine's module is imported only when that engine is opened."""

from importlib.util import find_spec
from pathlib import Path

import torch

from bisenetformer_ros.commands import ours
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError, EngineError
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.capabilities import ENGINES, TASK_CHOICES
from bisenetformer_ros.inference.engines.plan import EnginePlan, graph_label, plan_engine
from bisenetformer_ros.inference.engines.ranking import faster_than_torch, fastest_first
from bisenetformer_ros.inference.engines.switching import EngineChoice, SwitchingEngine
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Sidecar
from bisenetformer_ros.inference.graph.cache import newest_file
from bisenetformer_ros.inference.graph.contract import GraphInfo
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
        engine: One of ENGINES. "auto" takes the fastest that works, see `explain_choice`. For a weights file, graph
            engines open the files built from it: beside it, or in the cache.
        device: "auto", "cpu", "cuda" or "cuda:N".
        precision: One of PRECISIONS.

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
    from bisenetformer_ros.inference.engines.torch import TorchEngine

    general = TorchEngine(path, task, device, precision)
    if engine == "torch":
        return general
    return SwitchingEngine(general, lambda frame_size: _choose(general, path, precision, frame_size))


def _choose(general: Engine, weights: Path, precision: str, frame_size: tuple[int, int]) -> EngineChoice:
    """The fastest engine with a usable file for frames of this size, else `general`."""
    passed_over = []
    for name in faster_than_torch(general.task, general.device):
        if find_spec(name) is None:
            passed_over.append(f"{name} is not installed")
            continue
        try:
            plan = plan_engine(name, weights, general.task, general.device, precision, frame_size)
            if plan.is_built:
                return EngineChoice(open_plan(plan), tuple(passed_over))
            passed_over.append(f"{name} has no file for frames of this size (to build it: {plan.build_command()})")
        except BiSeNetFormerError as error:
            passed_over.append(f"{name} does not work: {error}")
    return EngineChoice(general, tuple(passed_over))


def _open_files_of(weights: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    """The named graph engine with the files built from `weights`, one per frame size."""
    _check_device(engine, device)
    on_gpu = engine == "tensorrt" or (engine == "onnxruntime" and device != "cpu" and torch.cuda.is_available())
    kind = (device if device.startswith("cuda:") else "cuda") if on_gpu else "cpu"
    suffix = ".engine" if engine == "tensorrt" else ".onnx"

    def choose(frame_size: tuple[int, int]) -> EngineChoice:
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
    return SwitchingEngine(open_engine(newest, task, engine, device, precision), choose)


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
    GraphInfo.load(path).check(path, task)
    on_gpu = torch.cuda.is_available() if device == "auto" else device != "cpu"
    reasons = []
    for name in fastest_first(task, "cuda" if on_gpu else "cpu"):
        if name in GRAPH_ENGINES:
            try:
                return _open_graph(path, task, name, device, precision)
            except EngineError as error:
                reasons.append(f"{name}: {error}")
    raise EngineError(f"no engine can run {path}: {'; '.join(reasons)}")


def _open_engine_file(path: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    if engine not in ("auto", "tensorrt"):
        raise EngineError(f"{path} is a TensorRT engine file; set engine to tensorrt or auto instead of {engine}")
    from bisenetformer_ros.inference.engines.tensorrt.engine import TensorRTEngine

    return TensorRTEngine(path, task, device, precision)
