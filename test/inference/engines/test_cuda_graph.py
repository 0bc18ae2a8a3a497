"""What a CUDA graph would hold, run without recording it: no GPU is needed for that."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bisenetformer_ros.inference.engines import cuda_graph
from bisenetformer_ros.inference.engines.cuda_graph import BATCHES, MAX_SIZES, CudaGraphs, RecordedGraph, recorded_batch
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


@pytest.fixture
def small(random_weights: Path) -> CudaGraphs:
    """Of a network that takes no time."""
    return CudaGraphs(*load_checkpoint(random_weights), "semantic", "fp32", torch.device("cpu"))


def grey(number: int, size: tuple[int, int] = (32, 64)) -> list[np.ndarray]:
    """Frames that differ."""
    return [np.full((*size, 3), 10 + 20 * index, np.uint8) for index in range(number)]


def segment_twice(graphs: CudaGraphs, frames: list[np.ndarray]) -> None:
    """The second time, the size repeats."""
    for _ in range(2):
        graphs.segment(frames, *THRESHOLDS)


def recorded(graphs: CudaGraphs) -> list[tuple[tuple[int, int], int]]:
    return [(size, batch) for size, each in graphs._sizes.items() for batch in each.recordings]


def test_a_batch_is_padded_to_the_next_recorded_one() -> None:
    assert BATCHES == (1, 2, 4)
    assert [recorded_batch(number) for number in (1, 2, 3, 4)] == [1, 2, 4, 4]


def test_only_a_size_that_repeats_is_recorded(small: CudaGraphs) -> None:
    """Images of a data set: two sizes are frequent, the others occur once."""
    frequent, rare = [(32, 32), (32, 64)], [(64, 32 * width) for width in range(1, 2 * MAX_SIZES)]
    for size in rare:
        for each in (*frequent, size):
            (result,) = small.segment(grey(1, each), *THRESHOLDS)
            assert result.label_map.shape == each
    assert recorded(small) == [(size, 1) for size in frequent]


def test_a_size_that_returns_late_is_not_recorded(small: CudaGraphs) -> None:
    sizes = [(32, 32 * width) for width in range(1, MAX_SIZES + 2)]
    for size in [*sizes, sizes[0]]:
        small.segment(grey(1, size), *THRESHOLDS)
    assert recorded(small) == []
    small.segment(grey(1, sizes[1 - MAX_SIZES]), *THRESHOLDS)  # the earliest among those before
    assert recorded(small) == [(sizes[1 - MAX_SIZES], 1)]


def test_a_recording_repeats_what_ran_without(small: CudaGraphs) -> None:
    (frame,) = grey(1)
    first, second = (small.segment([frame], *THRESHOLDS)[0] for _ in range(2))
    np.testing.assert_array_equal(first.label_map, second.label_map)
    small.segment(grey(2), *THRESHOLDS)  # another number of frames of a size that repeats
    assert recorded(small) == [((32, 64), 1), ((32, 64), 2)]


def test_any_number_of_frames_takes_three_recordings_at_most(small: CudaGraphs) -> None:
    frames = grey(7)
    alone = [small.segment([frame], *THRESHOLDS)[0] for frame in frames]
    for number in range(1, 8):
        together = small.segment(frames[:number], *THRESHOLDS)
        assert len(together) == number
        for ours, expected in zip(together, alone, strict=False):
            assert (ours.label_map == expected.label_map).mean() > 0.999  # sums of another order round differently
    assert recorded(small) == [((32, 64), batch) for batch in BATCHES]


@pytest.mark.parametrize("cameras", [[5], [3, 3], [1, 2, 3, 4]])
def test_a_second_round_of_the_cameras_records_nothing(small: CudaGraphs, cameras: list[int]) -> None:
    """cameras: their number for each frame size."""

    def round_of_frames() -> None:
        for index, number in enumerate(cameras, start=1):
            small.segment(grey(number, (32, 32 * index)), *THRESHOLDS)

    for _ in range(2):
        round_of_frames()
    before = {id(recording) for each in small._sizes.values() for recording in each.recordings.values()}
    round_of_frames()
    assert before == {id(recording) for each in small._sizes.values() for recording in each.recordings.values()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_recordings_of_all_sizes_share_the_weights(random_weights: Path, precision: str) -> None:
    graphs = CudaGraphs(*load_checkpoint(random_weights), "semantic", precision, torch.device("cpu"))
    addresses = []
    for width in (32, 64):
        segment_twice(graphs, grey(1, (32, width)))
        network = graphs._sizes[32, width].module.network
        addresses.append({name: weights.data_ptr() for name, weights in network.named_parameters()})
    different = {name for name, address in addresses[0].items() if address != addresses[1][name]}
    assert different == set()


def test_the_least_recently_used_size_is_dropped(small: CudaGraphs) -> None:
    sizes = [(32, 32 * (1 + number)) for number in range(MAX_SIZES + 1)]
    for size in [*sizes[:MAX_SIZES], sizes[0], sizes[-1]]:
        segment_twice(small, grey(1, size))
    assert list(small._sizes) == [*sizes[2:MAX_SIZES], sizes[0], sizes[-1]]  # the second is the least recently used


def test_a_released_size_is_recorded_again_if_it_returns(small: CudaGraphs) -> None:
    for width in (32, 64):
        segment_twice(small, grey(1, (32, width)))
    small.release((32, 32))
    small.release((1, 1))  # never recorded
    assert recorded(small) == [((32, 64), 1)]
    assert len(small.segment(grey(2, (32, 32)), *THRESHOLDS)) == 2
    assert recorded(small) == [((32, 64), 1), ((32, 32), 2)]


def test_without_memory_for_a_batch_frames_run_one_by_one(small: CudaGraphs, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnASmallGpu(RecordedGraph):
        def __init__(self, module: object, task: str, shape: tuple[int, ...], *others: object) -> None:
            if shape[0] > 1:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            super().__init__(module, task, shape, *others)

    monkeypatch.setattr(cuda_graph, "RecordedGraph", OnASmallGpu)
    segment_twice(small, grey(1, (32, 32)))
    assert recorded(small) == [((32, 32), 1)]
    for _ in range(2):
        assert len(small.segment(grey(3), *THRESHOLDS)) == 3
    assert recorded(small) == [((32, 64), 1)]  # what was recorded before has been freed
    assert len(small.segment(grey(2), *THRESHOLDS)) == 2


def test_memory_that_is_missing_for_one_frame_is_an_error(small: CudaGraphs, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*arguments: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(cuda_graph, "RecordedGraph", out_of_memory)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        segment_twice(small, grey(1))
