from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_graph import SIZE, write_graph

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine
from bisenetformer_ros.inference.engines.tensorrt.golden import GoldenCheck, compare_with_onnxruntime
from bisenetformer_ros.results import Segment, SegmentationResult

BATCH = 3
NUM_RESULTS = 4 + BATCH
"""Of one comparison: four frames one by one, and a batch."""

Fault = Callable[[SegmentationResult], SegmentationResult]


@pytest.fixture(scope="module", params=["semantic", "panoptic"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / f"{request.param}.onnx"
    return write_graph(path, "fp32", dynamic_batch=False, task=request.param)


@pytest.fixture(scope="module")
def panoptic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / "panoptic.onnx"
    return write_graph(path, "fp32", dynamic_batch=False, task="panoptic")


class Faulty:
    """ONNX Runtime, of whose results some are changed.

    in_batches: whether those of batches are, rather than those of single frames.
    """

    def __init__(self, graph: Path, precision: str, fault: Fault, in_batches: bool = False) -> None:
        self._engine = OnnxRuntimeEngine(graph, graph.stem, "cpu")
        self.task, self.metadata, self.precision = graph.stem, self._engine.metadata, precision
        self._fault, self._in_batches = fault, in_batches

    def segment(self, frames: Sequence[np.ndarray], *thresholds: float) -> list[SegmentationResult]:
        results = self._engine.segment(frames, *thresholds)
        return list(map(self._fault, results)) if (len(frames) > 1) is self._in_batches else results


def compare(graph: Path, fault: Fault, precision: str = "fp32", in_batches: bool = False) -> GoldenCheck:
    return compare_with_onnxruntime(Faulty(graph, precision, fault, in_batches), graph, SIZE, BATCH)


def wrong_labels(number: int) -> Fault:
    def fault(result: SegmentationResult) -> SegmentationResult:
        labels = result.label_map.copy()
        labels.flat[:number] ^= 1
        return replace(result, label_map=labels)

    return fault


def changed_segment(**changes: object) -> Fault:
    def fault(result: SegmentationResult) -> SegmentationResult:
        return replace(result, segments=tuple(replace(segment, **changes) for segment in result.segments))

    return fault


def test_an_equal_engine_passes(graph: Path) -> None:
    check = compare(graph, lambda result: result)
    assert check.passed
    assert check.finding.startswith(
        f"agreement with ONNX Runtime over 4 frames, one by one and in a batch of {BATCH}: 100.00 % of "
    )
    names = ["labels", "confidence"] + (["segments", "boxes", "areas", "scores"] if graph.stem == "panoptic" else [])
    assert check.finding.count("100.00 % of") == len(names)
    for name in names:
        assert f"100.00 % of {name} (required: 99" in check.finding


@pytest.mark.parametrize(("in_batches", "wrong"), [(False, 4), (True, BATCH)])
def test_a_wrong_label_in_every_single_frame_or_in_the_batch_fails(graph: Path, in_batches: bool, wrong: int) -> None:
    check = compare(graph, wrong_labels(1), in_batches=in_batches)
    assert not check.passed
    pixels = SIZE[0] * SIZE[1]
    assert f": {100 * (1 - wrong / (NUM_RESULTS * pixels)):.2f} % of labels (required: 99.9 %)" in check.finding


@pytest.mark.parametrize(("precision", "labels", "others"), [("fp16", "99.5", "97"), ("int8", "99", "95")])
def test_lower_precisions_may_differ_more(graph: Path, precision: str, labels: str, others: str) -> None:
    finding = compare(graph, wrong_labels(0), precision).finding
    assert f"% of labels (required: {labels} %)" in finding
    assert f"% of confidence (required: {others} %)" in finding


def test_a_wrong_confidence_fails(graph: Path) -> None:
    check = compare(graph, lambda result: replace(result, confidence=result.confidence ^ 128))
    assert not check.passed
    assert f" {100 * (1 - 4 / NUM_RESULTS * 128 / 255):.2f} % of confidence (required: 99 %)" in check.finding


@pytest.mark.parametrize(
    ("changes", "name", "agreement"),
    [
        ({"box_xyxy": (0, 0, 4, 6)}, "boxes", 0.5),  # the left half
        ({"box_xyxy": (8, 6, 9, 9)}, "boxes", 0.0),
        ({"area": 14}, "areas", 0.5),  # twice as many pixels
        ({"area": -(2**63)}, "areas", None),  # an overflow
        ({"score": 0.3}, "scores", 0.5),
    ],
)
def test_wrong_segments_fail(panoptic: Path, changes: dict[str, object], name: str, agreement: float | None) -> None:
    check = compare(panoptic, changed_segment(**changes))
    assert not check.passed
    if agreement is not None:
        assert f" {100 * (4 * agreement + BATCH) / NUM_RESULTS:.2f} % of {name} (required: 99 %)" in check.finding


def test_missing_segments_fail(panoptic: Path) -> None:
    nothing = np.zeros(SIZE, np.uint16)
    check = compare(panoptic, lambda result: replace(result, panoptic_map=nothing, segments=()))
    assert not check.passed
    assert f" {100 * 2 * BATCH / (2 * NUM_RESULTS - 4):.2f} % of segments (required: 99 %)" in check.finding


def no_number(result: SegmentationResult) -> SegmentationResult:
    return replace(result, confidence=np.full(SIZE, int(float("nan"))))


def segment_without_pixels(result: SegmentationResult) -> SegmentationResult:
    surplus = Segment(9, 1, "building", False, 0.9, 100_000, (0, 0, 1, 1), (0.0, 0.0))
    return replace(result, panoptic_map=np.zeros(SIZE, np.uint16), segments=(surplus,))


@pytest.mark.parametrize("fault", [no_number, segment_without_pixels])
def test_invalid_outputs_fail(panoptic: Path, fault: Fault) -> None:
    check = compare(panoptic, fault)
    assert not check.passed
    assert "its outputs are invalid" in check.finding


def test_without_the_graph_there_is_nothing_to_compare_with(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"none\.onnx is missing"):
        compare_with_onnxruntime(Faulty(graph, "fp32", wrong_labels(0)), tmp_path / "none.onnx", SIZE, 1)
