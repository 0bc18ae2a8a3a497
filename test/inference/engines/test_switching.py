from pathlib import Path

import numpy as np
import pytest
import torch
from known_engine import Clock, KnownEngine

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.inference.engines.cuda_graph import CudaGraphs
from bisenetformer_ros.inference.engines.measuring import ROUNDS, Candidate
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.switching import SwitchingEngine, Trial, explain_choice
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
    for frame in 2 * (SMALL, LARGE):  # a size is recorded once it repeats
        engine.segment([frame], 0.5, 0.5)
    engine.serve((32, 64), second)
    assert set(first._graphs._sizes) == {(32, 64), (64, 32)}  # the thread that segments might be using it
    engine.segment([SMALL], 0.5, 0.5)
    assert set(first._graphs._sizes) == {(64, 32)}


FRAME = np.random.default_rng(0).integers(0, 255, (20, 50, 3), np.uint8)


CLOCK = Clock()


def known(name: str, seconds: float, wrong: int = 0, error: Exception | None = None) -> KnownEngine:
    return KnownEngine(name, "fp32", (seconds,), CLOCK.advance, wrong, error)


def try_out(serving: KnownEngine, built: KnownEngine, frames: list[np.ndarray]) -> tuple[SwitchingEngine, Trial]:
    engine, trial = SwitchingEngine(serving), Trial(Candidate("built", lambda: built), CLOCK)
    engine.segment([FRAME], 0.5, 0.5)
    engine.try_out(FRAME.shape[:2], trial)
    for frame in frames:
        assert engine.segment([frame], 0.5, 0.5)[0].label_map.shape == frame.shape[:2]
    return engine, trial


def test_a_faster_engine_takes_over_after_its_trial() -> None:
    serving, built = known("torch", 0.05), known("openvino", 0.01)
    engine, trial = try_out(serving, built, [FRAME] * (ROUNDS + 2))
    assert (trial.is_won, engine.name) == (True, "openvino")
    assert (serving.calls, built.calls) == (1 + ROUNDS, ROUNDS + 2)
    assert explain_choice(engine) == "openvino on cpu, fp32; measured here: torch fp32 50.0 ms, openvino fp32 10.0 ms"


def test_a_slower_engine_never_serves() -> None:
    serving, built = known("torch", 0.01), known("openvino", 0.05)
    engine, trial = try_out(serving, built, [FRAME] * (ROUNDS + 2))
    assert (trial.is_over, trial.is_won, engine.name) == (True, False, "torch")
    assert built.calls == ROUNDS
    assert "; measured here: torch fp32 " in explain_choice(engine)


def test_a_fast_engine_with_other_labels_never_serves() -> None:
    engine, trial = try_out(known("torch", 0.05), known("openvino", 0.0, wrong=30), [FRAME] * (ROUNDS + 1))
    assert (trial.is_won, engine.name) == (False, "torch")
    assert "of its labels agree (required: 99.9 %)" in explain_choice(engine)


def test_an_engine_that_fails_in_its_trial_costs_no_frame() -> None:
    engine, trial = try_out(known("torch", 0.0), known("openvino", 0.0, error=RuntimeError("lost")), [FRAME] * 2)
    assert (trial.is_over, trial.is_won, trial.problem) == (True, False, "built does not work: lost")
    assert engine.name == "torch"


def test_a_trial_waits_for_frames_of_its_size_that_show_something() -> None:
    built = known("openvino", 0.0)
    _, trial = try_out(known("torch", 0.0), built, [np.zeros_like(FRAME)] * ROUNDS + [FRAME[1:]] * ROUNDS)
    assert (trial.is_over, built.calls) == (False, 0)


def test_trials_of_a_size_take_turns_and_the_fastest_serves() -> None:
    serving, slow, fast = known("torch", 0.04), known("onnxruntime", 0.02), known("openvino", 0.0)
    engine = SwitchingEngine(serving)
    trials = [Trial(Candidate(each.name, lambda each=each: each), CLOCK) for each in (fast, slow)]
    for trial in trials:
        engine.try_out(FRAME.shape[:2], trial)
    for _ in range(2 * ROUNDS + 2):
        engine.segment([FRAME], 0.5, 0.5)
    assert [trial.is_won for trial in trials] == [True, False]
    assert engine.name == "openvino"
