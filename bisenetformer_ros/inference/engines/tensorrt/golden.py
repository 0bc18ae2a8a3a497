"""Compares an engine with ONNX Runtime on the graph that it was built from, on the rendered streets that ship."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bisenetformer_ros.errors import EngineError, InputError
from bisenetformer_ros.inference.agreement import MIN_LABELS, THRESHOLDS, match_segments, measure_agreement
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.verification_frames import load_verification_frames
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

MIN_OTHERS = {"fp32": 0.99, "fp16": 0.97, "int8": 0.95}
"""Required agreement of everything but labels, by precision.

For comparison, of the shipped network on these frames, in fp16 and fp32 under ONNX Runtime: boxes 100 %, areas 99.9 %,
scores and confidence 99.99 %.
In int8, runtimes round differently: OpenVINO, the rest in bf16, gives 99.3 % of ONNX Runtime's labels and confidence,
98 % of its segments, 99.5 % of boxes and areas.
"""


@dataclass(frozen=True)
class GoldenCheck:
    """The outcome of a comparison.

    Attributes:
        passed: Whether everything agrees well enough.
        finding: How well it does, as text for messages.
    """

    passed: bool
    finding: str


def compare_with_onnxruntime(engine: Engine, graph: Path, frame_size: tuple[int, int], max_batch: int) -> GoldenCheck:
    """Compare an engine with ONNX Runtime, frame by frame and in the largest batch.

    Args:
        engine: The engine under test.
        graph: The ONNX file that it was built from.
        frame_size: (height, width) of its frames.
        max_batch: Most frames in one of its runs.

    Raises:
        EngineError: If the graph is missing or ONNX Runtime is not installed.
    """
    from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine

    if not graph.is_file():
        raise EngineError(f"{graph} is missing: an engine is compared with ONNX Runtime on its graph before it is used")
    reference = OnnxRuntimeEngine(graph, engine.task, "cpu")
    frames = load_verification_frames(frame_size)
    batch = [index % len(frames) for index in range(max_batch)]
    expected = [reference.segment([frame], *THRESHOLDS)[0] for frame in frames]
    expected += [expected[index] for index in batch]
    words = f"agreement with ONNX Runtime over {len(frames)} frames, one by one and in a batch of {max_batch}"
    try:
        found = [engine.segment([frame], *THRESHOLDS)[0] for frame in frames]
        found += engine.segment([frames[index] for index in batch], *THRESHOLDS)
        measures = _measure(found, expected, engine.metadata.labels)
    except (ArithmeticError, InputError, LookupError, ValueError) as error:  # numbers that are none, or fit nothing
        return GoldenCheck(False, f"{words}: none, its outputs are invalid ({type(error).__name__}: {error})")
    required = dict.fromkeys(measures, MIN_OTHERS[engine.precision]) | {"labels": MIN_LABELS[engine.precision]}
    parts = [
        f"{100 * measures[name]:.2f} % of {name} (required: {100 * least:g} %)" for name, least in required.items()
    ]
    passed = all(measures[name] >= least for name, least in required.items())
    return GoldenCheck(passed, f"{words}: {', '.join(parts)}")


def _measure(
    found: Sequence[SegmentationResult], expected: Sequence[SegmentationResult], labels: LabelMap
) -> dict[str, float]:
    """Agreement as fractions of 0 to 1, by name. Boxes, areas and scores are those of matched segments, by area."""
    agreement = measure_agreement(found, expected, labels)
    results = list(zip(found, expected, strict=True))
    off = np.mean([np.abs(ours.confidence.astype(float) - theirs.confidence).mean() for ours, theirs in results])
    measures = {"labels": agreement.labels, "confidence": 1 - float(off) / 255}
    if agreement.segments is None:
        return measures
    measures["segments"] = agreement.segments
    pairs = [pair for ours, theirs in results for pair in match_segments(ours, theirs, labels)]
    weights = [theirs.area for _, theirs in pairs]
    comparisons: dict[str, Callable[[Segment, Segment], float]] = {
        "boxes": lambda ours, theirs: _box_overlap(ours.box_xyxy, theirs.box_xyxy),
        "areas": lambda ours, theirs: min(ours.area, theirs.area) / max(ours.area, theirs.area),
        "scores": lambda ours, theirs: 1 - abs(ours.score - theirs.score),
    }
    for name, compare in comparisons.items():
        measures[name] = float(np.average([compare(*pair) for pair in pairs], weights=weights)) if pairs else 1.0
    return measures


def _box_overlap(one: Sequence[int], other: Sequence[int]) -> float:
    """Intersection over union of two boxes: x_min, y_min, x_max, y_max."""
    (left, top), (right, bottom) = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = max(right - left, 0) * max(bottom - top, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(shared / (sum(areas) - shared))
