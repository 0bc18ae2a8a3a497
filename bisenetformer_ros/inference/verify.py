"""Whether an exported graph sees what PyTorch sees: both segment the same frames."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bisenetformer_ros.inference.agreement import MIN_LABELS, THRESHOLDS, Agreement, measure_agreement
from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.inference.graph.contract import GraphInfo

MIN_SEGMENTS = {"int8": 0.98}
"""By precision, the least share of segments that has to be PyTorch's; all of them where it is not named."""


@dataclass(frozen=True)
class Verification:
    """agreement: of ONNX Runtime on the graph with PyTorch in float32, over `num_frames`. least_labels,
    least_segments: the shares that are asked for."""

    agreement: Agreement
    least_labels: float
    least_segments: float
    num_frames: int

    @property
    def passed(self) -> bool:
        segments = 1.0 if self.agreement.segments is None else self.agreement.segments
        return self.agreement.labels >= self.least_labels and segments >= self.least_segments

    def __str__(self) -> str:
        found = self.agreement
        parts = [f"{_percent(found.labels)} of the labels (at least {_percent(self.least_labels)} have to be)"]
        if found.segments is not None:
            parts.append(f"{_percent(found.segments)} of the segments (at least {_percent(self.least_segments)})")
        return f"on {self.num_frames} frames as PyTorch has it: {', '.join(parts)}"


def verify(
    graph: bytes,
    weights: Path,
    frames: Sequence[np.ndarray],
    on_frame: Callable[[], None] = lambda: None,
) -> Verification:
    """graph: the content of an ONNX file made of `weights`. frames: of its size. on_frame: called after each frame."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(graph)
        info = GraphInfo.load(path)
        engine = OnnxRuntimeEngine(path, info.task, "cpu")
        reference = TorchEngine(weights, info.task, "cpu", "fp32")
        results, expected = [], []
        for frame in frames:
            results += engine.segment([frame], *THRESHOLDS)
            expected += reference.segment([frame], *THRESHOLDS)
            on_frame()
    agreement = measure_agreement(results, expected, info.metadata.labels)
    least = MIN_LABELS[info.precision], MIN_SEGMENTS.get(info.precision, 1.0)
    return Verification(agreement, *least, num_frames=len(frames))


def _percent(share: float) -> str:
    return f"{100 * share:.5g} %"
