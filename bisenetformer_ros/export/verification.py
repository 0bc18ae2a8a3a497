"""Whether an exported graph sees what PyTorch sees: both segment the same frames."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bisenetformer_ros.benchmark.agreement import Agreement, measure_agreement
from bisenetformer_ros.engines.golden import MIN_AGREEMENT, THRESHOLDS
from bisenetformer_ros.engines.graph import GraphInfo
from bisenetformer_ros.engines.onnxruntime import OnnxRuntimeEngine
from bisenetformer_ros.engines.torch import TorchEngine

MIN_SHARES = {precision: Agreement(labels, 1.0) for precision, labels in MIN_AGREEMENT.items()} | {
    "int8": Agreement(labels=0.99, segments=0.98)
}
"""By precision, the shares of labels and segments that have to be PyTorch's. Integers change a little of what is seen;
what that means for the task is a question for `bisenetformer evaluate`."""


@dataclass(frozen=True)
class Verification:
    """agreement: of ONNX Runtime on the graph with PyTorch in float32, over `num_frames`. least: what is asked for."""

    agreement: Agreement
    least: Agreement
    num_frames: int

    @property
    def passed(self) -> bool:
        segments = 1.0 if self.agreement.segments is None else self.agreement.segments
        return self.agreement.labels >= self.least.labels and segments >= self.least.segments

    def __str__(self) -> str:
        found, least = self.agreement, self.least
        parts = [f"{_percent(found.labels)} of the labels (at least {_percent(least.labels)} have to be)"]
        if found.segments is not None:
            parts.append(f"{_percent(found.segments)} of the segments (at least {_percent(least.segments)})")
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
    return Verification(agreement, MIN_SHARES[info.precision], len(frames))


def _percent(share: float) -> str:
    return f"{100 * share:.5g} %"
