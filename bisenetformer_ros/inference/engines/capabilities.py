"""The tasks, engines and precisions that exist, and which engine computes in which precision on which device.

Imports nothing but the standard library, so that the launch file can read the tables under any Python.
"""

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.tasks import TASKS

ENGINE_PRECISIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "torch": {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "bf16", "fp16")},
    "onnxruntime": {"cpu": ("fp32", "fp16", "int8"), "cuda": ("fp32", "fp16", "int8")},
    "openvino": {"cpu": ("fp32", "bf16", "int8")},
    "tensorrt": {"cuda": ("fp32", "fp16", "int8")},
}
"""Engine → device, without its number → precisions it computes in. Every engine takes "auto" as well."""

ENGINES = ("auto", *ENGINE_PRECISIONS)
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
TASK_CHOICES = (*TASKS, "auto")
"""auto: the task of the graph, or that for which the weights were trained."""


def supports_precision(engine: str, device: str, precision: str) -> bool:
    """Whether `engine` computes in `precision`, or chooses it for "auto", on `device`, "cpu" or "cuda[:N]"."""
    return precision in ("auto", *ENGINE_PRECISIONS[engine].get(device.partition(":")[0], ()))


def check_precision(engine: str, device: str, precision: str) -> None:
    """Raise EngineError unless `supports_precision`; the message names the engines that do support it."""
    if supports_precision(engine, device, precision):
        return
    kind = device.partition(":")[0]
    expected = ", ".join(("auto", *ENGINE_PRECISIONS[engine].get(kind, ())))
    others = [name for name in ENGINE_PRECISIONS if supports_precision(name, device, precision)]
    advice = f"; for {precision} on {kind} set engine to {' or '.join(others)}" if others else ""
    raise EngineError(
        f"engine {engine} does not support precision '{precision}' on {kind}, expected one of {expected}{advice}"
    )
