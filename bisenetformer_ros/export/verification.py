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


@dataclass(frozen=True)
class Verification:
    """agreement: of ONNX Runtime on the graph with PyTorch in float32, over `num_frames`. min_labels: see `passed`."""

    agreement: Agreement
    min_labels: float
    num_frames: int

    @property
    def passed(self) -> bool:
        """At least `min_labels` of the pixels have the same label, and every segment has its partner."""
        return self.agreement.labels >= self.min_labels and self.agreement.segments in (None, 1.0)

    def __str__(self) -> str:
        labels = f"{_percent(self.agreement.labels)} of the labels (at least {_percent(self.min_labels)} have to be)"
        if self.agreement.segments is None:
            return f"the same as PyTorch on {self.num_frames} frames: {labels}"
        segments = f"{_percent(self.agreement.segments)} of the segments (all have to be)"
        return f"the same as PyTorch on {self.num_frames} frames: {labels}, {segments}"


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
    return Verification(agreement, MIN_AGREEMENT[info.precision], len(frames))


def _percent(share: float) -> str:
    return f"{100 * share:.5g} %"
