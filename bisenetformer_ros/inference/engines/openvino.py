"""OpenVINO: exported graphs on the CPU."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import dropwhile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import EngineError, ModelError
from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
from bisenetformer_ros.inference.engines.capabilities import check_precision
from bisenetformer_ros.inference.engines.denormals import flush_denormals
from bisenetformer_ros.inference.engines.unused_gpu import explain_unused_gpu
from bisenetformer_ros.inference.graph.contract import FRAMES, GraphInfo
from bisenetformer_ros.inference.graph.runs import segment_frames
from bisenetformer_ros.machine import computes_bf16
from bisenetformer_ros.results import SegmentationResult

HINTS = {"fp32": "f32", "bf16": "bf16"}
"""Precision → OpenVINO's INFERENCE_PRECISION_HINT."""


class OpenVinoEngine:
    """Runs an ONNX file of `bisenetformer export` on frames of its size.

    It uses as many threads as PyTorch does: OMP_NUM_THREADS, if set.
    """

    name = "openvino"
    tunes_per_shape = False

    def __init__(self, path: str | Path, task: str, device: str = "auto", precision: str = "auto") -> None:
        """
        Args:
            path: ONNX file.
            task: That of the graph.
            device: "auto" or "cpu".
            precision: "fp32" or "bf16" for a graph in fp32 or fp16; "auto" is bf16 if the processor computes it, else
                fp32. "int8" or "auto", which are the same, for a graph in int8; "auto" then decides about the layers
                that stay floating point.

        Raises:
            ModelError: For the file.
            EngineError: For the task, the device, the precision or a missing OpenVINO.
        """
        path = Path(path)
        check_device(device)
        self.graph = GraphInfo.load(path).check(path, task)
        self.frame_size = self.graph.frame_size
        self.task, self.metadata, self.device = task, self.graph.metadata, "cpu"
        self.warning = explain_unused_gpu(device, "OpenVINO computes on CPUs only; set engine to auto")
        floats = _choose_floats(precision, self.graph, path)
        self.precision = "int8" if self.graph.precision == "int8" else floats
        keep_freed_memory()
        self._model = _compile(load_openvino(), path, floats)

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        return segment_frames(self.run, self.graph, self.graph.max_batch, frames, score_threshold, overlap_threshold)

    def release(self, frame_size: tuple[int, int]) -> None:
        """A no-op, see `Engine.release`."""

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return every output of the graph by its name."""
        flush_denormals()  # in this thread, which post-processes; the option below is for OpenVINO's own
        outputs = self._model(dict(inputs), share_inputs=True)
        return {name: outputs[name] for name in self.graph.outputs}


def check_device(device: str) -> None:
    """Raise EngineError for any device but the CPU."""
    if device not in ("auto", "cpu"):
        raise EngineError(
            f"device '{device}' was requested, but engine openvino only runs on the CPU; set device to auto or cpu, or "
            "engine to onnxruntime or tensorrt"
        )


def load_openvino() -> ModuleType:
    """Import the library, or raise an EngineError that says how to install it."""
    # Blocks its telemetry, which would report the import over the network; OpenVINO falls back to a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino  # type: ignore[import-untyped]
    except ImportError as error:  # or one of its shared libraries is missing
        raise EngineError(f"OpenVINO cannot be imported ({error}): {pip_install('openvino')}") from error
    return openvino


def _choose_floats(precision: str, graph: GraphInfo, path: Path) -> str:
    """A key of HINTS, for the layers that are not in int8."""
    check_precision("openvino", "cpu", precision)
    if "int8" in (precision, graph.precision):
        graph.check_precision(path, precision)
        precision = "auto"
    if precision == "auto":
        return "bf16" if computes_bf16() else "fp32"
    return precision


def _compile(openvino: ModuleType, path: Path, precision: str) -> Any:
    config = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "CPU_DENORMALS_OPTIMIZATION": True,  # see denormals.py
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = _core()
    try:
        model = core.read_model(str(path))
        if precision == "bf16":
            _hide_constant_factors(openvino, model)
        return core.compile_model(model, "CPU", config)
    except RuntimeError as error:
        raise ModelError(f"{path}: OpenVINO {openvino.__version__} cannot open it ({error})") from error


@cache
def _core() -> Any:
    """The only Core of this process, kept until it exits.

    OpenVINO's CPU plug-in gives the thread that loads it an alternate signal stack and frees it with the last Core. If
    another thread does that, the next signal in the first thread crashes the process.
    """
    return load_openvino().Core()


def _hide_constant_factors(openvino: ModuleType, model: Any) -> None:
    """Make OpenVINO compute the batched matrix products that interpolate masks in bf16.

    It keeps such a product in fp32, with conversions around it, if one factor is constant. So 0 is added to the
    constants in a form that it cannot fold: the first byte of the frames, times 0. The products before the network,
    which resize frames, stay in fp32.
    """
    ops = openvino.opset13
    first_byte = ops.reshape(model.input(FRAMES).get_node(), np.array([-1]), special_zero=False)
    first_byte = ops.gather(first_byte, np.array(0), np.array(0))
    zero = ops.multiply(ops.convert(first_byte, "f32"), np.float32(0))
    from_network_on = dropwhile(lambda node: node.get_type_name() != "Convolution", model.get_ordered_ops())
    for product in (node for node in from_network_on if node.get_type_name() == "MatMul"):
        for factor in product.inputs():
            source = factor.get_source_output()
            if source.get_node().get_type_name() == "Constant" and len(source.get_shape()) > 2:
                factor.replace_source_output(ops.add(source, zero).output(0))
