import numpy as np

from bisenetformer_ros.benchmark import rounds
from bisenetformer_ros.benchmark.rounds import WARM_UPS, run_rounds
from bisenetformer_ros.results import SegmentationResult, StageTimes

FRAMES = [np.full((2, 2, 3), value, np.uint8) for value in (10, 20, 30)]


class Recorder:
    """Records which contestant got which frame."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def contestant(self, name: str, times_ms: StageTimes | None):
        def segment(frame: np.ndarray) -> SegmentationResult:
            self.calls.append((name, int(frame[0, 0, 0])))
            return SegmentationResult(frame[..., 0], frame[..., 0], times_ms=times_ms)

        return segment


def test_every_contestant_gets_the_rounds_frame_in_rotating_order() -> None:
    recorder, numbers = Recorder(), []
    contestants = {name: recorder.contestant(name, StageTimes(1.0, 2.0, 3.0)) for name in "abc"}
    timings = run_rounds(contestants, FRAMES, 4, numbers.append)
    assert recorder.calls[: 3 * WARM_UPS] == [(name, 10) for name in "abc" for _ in range(WARM_UPS)]
    played = recorder.calls[3 * WARM_UPS :]
    by_round = [played[i : i + 3] for i in range(0, len(played), 3)]
    assert [[name for name, _ in each] for each in by_round] == [list("abc"), list("bca"), list("cab"), list("abc")]
    assert [{frame for _, frame in each} for each in by_round] == [{10}, {20}, {30}, {10}]
    assert numbers == [1, 2, 3, 4]
    assert {name: len(values) for name, values in timings.items()} == dict.fromkeys("abc", 4)


def test_timing_of_a_call(monkeypatch) -> None:
    clock = iter([10.0, 10.25])
    monkeypatch.setattr(rounds, "perf_counter", lambda: next(clock))
    timing = rounds.time_frame(Recorder().contestant("a", StageTimes(1.0, 2.0, 3.0)), FRAMES[0])
    assert (timing.total_ms, timing.stages_ms) == (250.0, StageTimes(1.0, 2.0, 3.0))


def test_without_stage_times_all_is_inference(monkeypatch) -> None:
    clock = iter([10.0, 10.25])
    monkeypatch.setattr(rounds, "perf_counter", lambda: next(clock))
    timing = rounds.time_frame(Recorder().contestant("a", None), FRAMES[0])
    assert timing.stages_ms == StageTimes(0.0, 250.0, 0.0)
