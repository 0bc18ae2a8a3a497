"""What a CUDA graph would hold, run without recording it: no GPU is needed for that."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bisenetformer_ros.inference.engines.cuda_graph import MAX_GRAPHS, CudaGraphs
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.streets import StreetDrive

WEIGHTS = find_model("bisenetformer-nano-camvid")
THRESHOLDS = (0.5, 0.5)


def graphs(task: str, precision: str = "fp32") -> CudaGraphs:
    return CudaGraphs(*load_checkpoint(WEIGHTS), task, precision, torch.device("cpu"))


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    drive = StreetDrive(1, size=(240, 321))
    return [drive[index].rgb for index in (10, 40)]


@pytest.mark.parametrize("task", ["semantic", "panoptic"])
@pytest.mark.parametrize(("precision", "agreement"), [("fp32", 0.999), ("bf16", 0.98)])
def test_it_segments_as_the_engine_does_without_a_gpu(
    frames: list[np.ndarray], task: str, precision: str, agreement: float
) -> None:
    recorded = graphs(task, precision)
    engine = TorchEngine(WEIGHTS, task, "cpu", "fp32")
    for batch in (frames[:1], frames[1:], frames):  # the second run uses the memory of the first
        expected = engine.segment(batch, *THRESHOLDS)
        for ours, plain in zip(recorded.segment(batch, *THRESHOLDS), expected, strict=True):
            assert (ours.label_map == plain.label_map).mean() > agreement
            assert abs(len(ours.segments) - len(plain.segments)) <= (0 if precision == "fp32" else 1)


def test_a_result_is_not_overwritten_by_the_next_frame(frames: list[np.ndarray]) -> None:
    recorded = graphs("semantic")
    (first,) = recorded.segment(frames[:1], *THRESHOLDS)
    before = first.label_map.copy()
    (second,) = recorded.segment(frames[1:], *THRESHOLDS)
    assert (second.label_map != before).any()
    np.testing.assert_array_equal(first.label_map, before)


def test_thresholds_reach_the_graph(frames: list[np.ndarray]) -> None:
    recorded = graphs("panoptic")
    assert len(recorded.segment(frames[:1], 0.3, 0.5)[0].segments) > 0
    assert recorded.segment(frames[:1], 1.0, 0.5)[0].segments == ()


def test_the_least_recently_used_graph_is_dropped(random_weights: Path) -> None:
    recorded = CudaGraphs(*load_checkpoint(random_weights), "semantic", "fp32", torch.device("cpu"))
    sizes = [(32, 32 * (1 + number)) for number in range(MAX_GRAPHS + 1)]
    for size in [*sizes[:MAX_GRAPHS], sizes[0], sizes[-1]]:
        recorded.segment([np.zeros((*size, 3), np.uint8)], *THRESHOLDS)
    kept = [size for _, size in recorded._graphs]
    assert kept == [*sizes[2:MAX_GRAPHS], sizes[0], sizes[-1]]  # the second is the least recently used
