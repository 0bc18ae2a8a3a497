from math import inf

import numpy as np
import pytest
from known_engine import Clock, KnownEngine

from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.measuring import (
    Candidate,
    Comparison,
    EngineTiming,
    combine,
    fastest,
    measure,
    vary,
)

FRAME = np.zeros((20, 50, 3), np.uint8)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def compare(clock: Clock, *engines: KnownEngine, **limits: float) -> Comparison:
    candidates = [Candidate(f"{engine.name} {engine.precision}", lambda engine=engine: engine) for engine in engines]
    return measure(candidates, lambda engine: engine.segment([FRAME], 0.5, 0.5), clock=clock, **limits)


def torch(clock: Clock, precision: str, *seconds: float, wrong: int = 0) -> KnownEngine:
    return KnownEngine("torch", precision, seconds, clock.advance, wrong)


@pytest.mark.parametrize(("fp32", "bf16", "chosen"), [(0.10, 0.05, 1), (0.05, 0.10, 0), (0.10, 0.096, 0)])
def test_the_fastest_serves_if_its_gain_is_not_chance(clock: Clock, fp32: float, bf16: float, chosen: int) -> None:
    engines = torch(clock, "fp32", fp32), torch(clock, "bf16", bf16)
    found = compare(clock, *engines)
    assert found.engine is engines[chosen]
    assert [each.ms for each in found.measurements] == pytest.approx([1e3 * fp32, 1e3 * bf16])
    assert [str(each) for each in found.measurements] == [
        f"torch fp32 {1e3 * fp32:.1f} ms",
        f"torch bf16 {1e3 * bf16:.1f} ms",
    ]


def test_a_slow_moment_of_the_machine_decides_nothing(clock: Clock) -> None:
    engines = torch(clock, "fp32", 0.3, 0.05), torch(clock, "bf16", 0.1, 0.4, 0.1)
    assert compare(clock, *engines).engine is engines[0]


def test_engines_run_in_turn(clock: Clock) -> None:
    order = []
    engines = torch(clock, "fp32", 0.01), torch(clock, "bf16", 0.01)

    def run(engine: Engine) -> list:
        order.append(engine.precision)
        return engine.segment([FRAME], 0.5, 0.5)

    measure([Candidate(each.precision, lambda each=each: each) for each in engines], run, rounds=3, clock=clock)
    assert order == ["fp32", "bf16"] * 3


@pytest.mark.parametrize(("wrong", "agrees"), [(4, True), (5, True), (6, False)])
def test_an_engine_that_disagrees_is_refused_however_fast(clock: Clock, wrong: int, agrees: bool) -> None:
    """99.5 % of the labels of bf16 have to be those of fp32."""
    engines = torch(clock, "fp32", 0.1), torch(clock, "bf16", 0.01, wrong=wrong)
    found = compare(clock, *engines)
    assert found.engine is engines[agrees]
    assert found.measurements[1].labels == pytest.approx(1 - wrong / 1000)
    if not agrees:
        words = "torch bf16 10.0 ms, but 99.40 % of its labels agree (required: 99.5 %)"
        assert str(found.measurements[1]) == words
    assert found.results[0].label_map.sum() == (wrong if agrees else 0)


def test_beside_a_reference_that_is_not_exact_both_differences_are_allowed(clock: Clock) -> None:
    """Either bf16 may differ from fp32 on 0.5 %, so from each other on 1 %."""
    reference = torch(clock, "bf16", 0.1)
    for wrong, agrees in ((10, True), (11, False)):
        found = compare(clock, reference, KnownEngine("openvino", "bf16", (0.01,), clock.advance, wrong))
        assert found.measurements[1].agrees is agrees


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        ((0.01, 0.01), (5, 5)),  # all rounds
        ((0.4, 0.3), (3, 2)),  # 0.4 | 0.3 + 0.4 + 0.3 + 0.4 = 1.4, and no further 0.3
        ((1.0, 0.9), (1, 1)),  # 1.0 | 0.9, and no further 1.0
        ((1.4, 1.4), (1, 1)),
        ((1.6, 0.1), (1, 0)),  # nothing is known of the second engine but that the first one takes 1.6 s
    ],
)
def test_the_runs_beyond_the_first_stay_within_the_budget(
    clock: Clock, seconds: tuple[float, float], calls: tuple[int, int]
) -> None:
    engines = torch(clock, "fp32", seconds[0]), torch(clock, "bf16", seconds[1])
    found = compare(clock, *engines)
    extra = clock.now_s - seconds[0]
    assert (engines[0].calls, engines[1].calls) == calls
    assert extra <= 1.5
    assert found.is_complete is (calls[1] > 0)


def test_without_a_budget_a_slow_engine_is_measured_too(clock: Clock) -> None:
    engines = torch(clock, "fp32", 9.0), torch(clock, "bf16", 5.0)
    found = compare(clock, *engines, budget_s=inf, rounds=1)
    assert (found.is_complete, found.engine) == (True, engines[1])


def test_opening_counts(clock: Clock) -> None:
    engine = torch(clock, "bf16", 0.1)

    def open_slowly() -> Engine:
        clock.advance(1.45)
        return engine

    reference = torch(clock, "fp32", 0.1)
    candidates = [Candidate("torch fp32", lambda: reference), Candidate("torch bf16", open_slowly)]
    measure(candidates, lambda each: each.segment([FRAME], 0.5, 0.5), clock=clock)
    assert engine.calls == 0


def test_what_fails_is_left_out_and_named_but_not_the_first(clock: Clock) -> None:
    good = torch(clock, "fp32", 0.1)
    broken = KnownEngine("openvino", "fp32", (0.1,), clock.advance, error=RuntimeError("no such operator"))
    found = compare(clock, good, broken)
    assert found.engine is good
    assert found.problems == ("openvino does not work: no such operator",)
    assert (broken.calls, len(found.measurements), found.is_complete) == (1, 1, True)
    with pytest.raises(RuntimeError, match="no such operator"):
        compare(clock, broken, good)


def test_rounds_on_several_frames_give_the_shortest_time_and_the_mean_agreement() -> None:
    def timing(ms: float, labels: float) -> EngineTiming:
        return EngineTiming("a", "torch bf16", ms, labels, 0.995)

    assert combine([[timing(3.0, 1.0)], [timing(2.0, 0.99)]]) == (timing(2.0, 0.995),)


def test_the_first_of_equals_is_the_fastest() -> None:
    first, second = (EngineTiming(key, key, 10.0, 1.0, 0.9) for key in "ab")
    assert fastest([first, second]) is first


def test_frames_of_one_colour_prove_nothing() -> None:
    frame = np.full((4, 4, 3), (9, 8, 7), np.uint8)
    assert not vary([frame])
    frame[3, 3, 2] += 1
    assert vary([frame])
