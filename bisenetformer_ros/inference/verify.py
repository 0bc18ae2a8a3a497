"""Verifies an exported graph: ONNX Runtime on the graph and PyTorch on the weights segment the same frames."""

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
"""Required fraction of segments equal to PyTorch's, by precision; 1 for the others."""


@dataclass(frozen=True)
class Verification:
    """Agreement with PyTorch in fp32 over `num_frames`, and the fractions of labels and segments that are required."""

    agreement: Agreement
    min_labels: float
    min_segments: float
    num_frames: int

    @property
    def passed(self) -> bool:
        segments = 1.0 if self.agreement.segments is None else self.agreement.segments
        return self.agreement.labels >= self.min_labels and segments >= self.min_segments

    def __str__(self) -> str:
        found = self.agreement
        parts = [f"{_percent(found.labels)} of labels (required: {_percent(self.min_labels)})"]
        if found.segments is not None:
            parts.append(f"{_percent(found.segments)} of segments (required: {_percent(self.min_segments)})")
        return f"agreement with PyTorch over {self.num_frames} frames: {', '.join(parts)}"


def verify(
    graph: bytes, weights: Path, frames: Sequence[np.ndarray], on_frame: Callable[[], None] = lambda: None
) -> Verification:
    """Compare a graph with the weights that it was exported from.

    Args:
        graph: Content of an ONNX file.
        weights: Weights file.
        frames: (H, W, 3) uint8 RGB, of the graph's size.
        on_frame: Called after each frame.
    """
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
    required = MIN_LABELS[info.precision], MIN_SEGMENTS.get(info.precision, 1.0)
    return Verification(agreement, *required, num_frames=len(frames))


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.5g} %"
