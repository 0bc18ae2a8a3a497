"""Inference engines by name. Each is imported only when it is asked for."""

from pathlib import Path

from bisenetformer_ros.engines.base import TASKS, Engine
from bisenetformer_ros.errors import ConfigError, EngineError, ModelError
from bisenetformer_ros.resources import config_file

ENGINES = ("auto", "torch")


def open_engine(
    model: str | Path, task: str = "panoptic", engine: str = "auto", device: str = "auto", precision: str = "auto"
) -> Engine:
    """Loads `model`, a weights file or the name of a shipped model, for one of TASKS.

    engine: one of ENGINES; 'auto' is PyTorch.
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
    from bisenetformer_ros.engines.torch import TorchEngine

    return TorchEngine(path, task, device, precision)
