from pathlib import Path

import numpy as np
import pytest
import torch

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.inference.engines.cuda_graph import CudaGraphs
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.switching import SwitchingEngine
from bisenetformer_ros.model.checkpoint import load_checkpoint

SMALL, LARGE = np.full((32, 64, 3), 90, np.uint8), np.full((64, 32, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def engines(random_weights: Path) -> list:
    """Two engines that differ in their precision."""
    return [open_engine(random_weights, "semantic", "torch", "cpu", precision) for precision in ("fp32", "bf16")]


def test_frames_go_to_the_engine_that_serves_their_size_and_others_to_the_first(engines: list) -> None:
    engine = SwitchingEngine(engines[0])
    used = []
    for frame, added in ((SMALL, False), (SMALL, True), (LARGE, False)):
        if added:
            engine.serve((32, 64), engines[1])
        (result,) = engine.segment([frame], 0.5, 0.5)
        assert result.label_map.shape == frame.shape[:2]
        used.append((engine.name, engine.device, engine.precision))
    assert used == [("torch", "cpu", "fp32"), ("torch", "cpu", "bf16"), ("torch", "cpu", "fp32")]
    assert engine.frame_counts == {(32, 64): 2, (64, 32): 1}


def test_it_describes_the_first_engine_before_the_first_frame(engines: list) -> None:
    engine = SwitchingEngine(engines[0])
    for name in ("name", "device", "precision", "task", "metadata"):
        assert getattr(engine, name) == getattr(engines[0], name)


@pytest.mark.parametrize("frames", [[], [np.zeros((4, 4), np.uint8)], ["a"]])
def test_invalid_frames_are_rejected_and_not_counted(engines: list, frames: list) -> None:
    engine = SwitchingEngine(engines[0])
    with pytest.raises(InputError):
        engine.segment(frames, 0.5, 0.5)
    assert not engine.frame_counts


def test_what_the_first_engine_holds_for_a_size_is_freed_once_another_one_serves_it(random_weights: Path) -> None:
    first, second = (open_engine(random_weights, "semantic", "torch", "cpu", "fp32") for _ in range(2))
    model, metadata = load_checkpoint(random_weights)
    first._graphs = CudaGraphs(model, metadata, "semantic", "fp32", torch.device("cpu"))  # as on CUDA
    engine = SwitchingEngine(first)
    for frame in (SMALL, LARGE):
        engine.segment([frame], 0.5, 0.5)
    engine.serve((32, 64), second)
    assert set(first._graphs._sizes) == {(32, 64), (64, 32)}  # the thread that segments might be using it
    engine.segment([SMALL], 0.5, 0.5)
    assert set(first._graphs._sizes) == {(64, 32)}
