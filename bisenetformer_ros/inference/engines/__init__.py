"""Inference engines by name. Each is imported only when it is asked for."""

from pathlib import Path

from bisenetformer_ros.errors import ConfigError, EngineError, ModelError
from bisenetformer_ros.inference.engines.base import TASKS, Engine
from bisenetformer_ros.resources import config_file

ENGINES = ("auto", "torch", "onnxruntime", "openvino", "tensorrt")


def open_engine(
    model: str | Path, task: str = "panoptic", engine: str = "auto", device: str = "auto", precision: str = "auto"
) -> Engine:
    """Opens a model for one of TASKS.

    model: a weights file or the name of a shipped model, a graph (.onnx) of `bisenetformer export`, or an engine file
    (.engine) of `bisenetformer build-engine`. engine: one of ENGINES; "auto" is the fastest that works, see
    `explain_choice`. Graph engines run a weights file by the files that were made of it: beside it, or in the cache.

    Raises ConfigError for the task, ModelError for the file, EngineError for the engine.
    """
    if task not in TASKS:
        raise ConfigError(f"unknown task '{task}', expected one of {', '.join(TASKS)}")
    if engine not in ENGINES:
        raise EngineError(f"unknown engine '{engine}', expected one of {', '.join(ENGINES)}")
    try:
        path = config_file("models", str(model), ".safetensors")
    except FileNotFoundError as error:
        raise ModelError(f"model {error}") from None
    opening = {".onnx": _open_graph, ".engine": _open_engine_file}.get(path.suffix, _open_weights)
    return opening(path, task, engine, device, precision)


def _open_weights(path: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    if engine == "torch":
        from bisenetformer_ros.inference.engines.torch import TorchEngine

        return TorchEngine(path, task, device, precision)
    if engine == "auto":
        from bisenetformer_ros.inference.engines.auto import open_weights

        return open_weights(path, task, device, precision)
    from bisenetformer_ros.inference.engines.of_weights import EngineOfWeights

    return EngineOfWeights(path, task, engine, device, precision)


def _open_graph(path: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    if engine == "onnxruntime":
        from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path, task, device, precision)
    if engine == "openvino":
        from bisenetformer_ros.inference.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(path, task, device, precision)
    if engine == "auto":
        from bisenetformer_ros.inference.engines.auto import open_graph

        return open_graph(path, task, device, precision)
    help_by_engine = {
        "torch": "it takes weights files",
        "tensorrt": f"build an engine of it: bisenetformer build-engine {path} {path.with_suffix('.engine')}",
    }
    raise EngineError(f"the engine {engine} does not run graphs such as {path}; {help_by_engine[engine]}")


def _open_engine_file(path: Path, task: str, engine: str, device: str, precision: str) -> Engine:
    if engine not in ("auto", "tensorrt"):
        raise EngineError(f"{path} is an engine file of TensorRT; set engine to tensorrt or auto, not to {engine}")
    from bisenetformer_ros.inference.engines.tensorrt.engine import TensorRTEngine

    return TensorRTEngine(path, task, device, precision)
