"""Several engines behind the interface of one: each frame size is served by the engine chosen for it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from time import perf_counter

import numpy as np

from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.measuring import (
    ROUNDS,
    Candidate,
    EngineTiming,
    Run,
    combine,
    fastest,
    measure,
    vary,
)
from bisenetformer_ros.inference.preprocess import check_frames
from bisenetformer_ros.results import SegmentationResult


@dataclass(frozen=True)
class EngineChoice:
    """An engine for frames of one size.

    Attributes:
        engine: It.
        passed_over: Why others do not serve, other than for their speed.
        measured: It and what it was compared with, if anything was.
        is_final: False if the next frame of the size may lead to another choice.
        results: Of the frames for which it was chosen, if choosing has segmented them.
    """

    engine: Engine
    passed_over: tuple[str, ...] = ()
    measured: tuple[EngineTiming, ...] = ()
    is_final: bool = True
    results: list[SegmentationResult] | None = None


class Trial:
    """Measures an engine beside the serving one on the next ROUNDS frames of a size, which both segment.

    Attributes:
        candidate: The engine.
        measurements: Of the serving engine and of the candidate; empty until the trial is over.
        problem: Why the candidate cannot run; else empty.
    """

    def __init__(self, candidate: Candidate, clock: Callable[[], float] = perf_counter) -> None:
        """clock: See `measure`."""
        self.candidate = candidate
        self.measurements: tuple[EngineTiming, ...] = ()
        self.problem = ""
        self._clock = clock
        self._rounds: list[tuple[EngineTiming, ...]] = []

    @property
    def is_over(self) -> bool:
        return bool(self.measurements or self.problem)

    @property
    def is_won(self) -> bool:
        """Whether the candidate agrees with the engine that served, and is faster."""
        return bool(self.measurements) and fastest(self.measurements).key == self.candidate.key

    def segment(self, serving: Engine, run: Run) -> list[SegmentationResult]:
        """Run one round; return the results of the faster engine that agrees."""
        both = [Candidate(engine_key(serving), lambda: serving), self.candidate]
        comparison = measure(both, run, inf, rounds=1, clock=self._clock)
        self._rounds.append(comparison.measurements)
        if comparison.problems:
            self.problem = "; ".join(comparison.problems)
        elif len(self._rounds) == ROUNDS:
            self.measurements = combine(self._rounds)
        return comparison.results


class SwitchingEngine:
    """Segments frames with the engine chosen for their size.

    `name`, `device` and `precision` are those of the engine that served the latest frames, before the first ones those
    of `first`.

    Attributes:
        choice: The choice for the latest frames.
        frame_counts: (height, width) → number of frames of that size so far.
    """

    def __init__(
        self,
        first: Engine,
        choose: Callable[[Sequence[np.ndarray], Run], EngineChoice] | None = None,
        measures: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            first: Describes this engine before the first frame.
            choose: Chooses the engine for frames of a new size, which wait for it; the second argument segments them
                with an engine. Default: `first`.
            measures: Whether the first frames of a size take longer because engines are measured on them.
        """
        self.choice = EngineChoice(first)
        self.task, self.metadata, self.frame_size = first.task, first.metadata, first.frame_size
        self.frame_counts: Counter[tuple[int, int]] = Counter()
        self._choose_for = choose or (lambda frames, run: EngineChoice(first))
        self._measures = measures
        self._first = first
        self._taken_over: list[tuple[int, int]] = []
        """Frame sizes for which the first engine may hold memory in vain."""
        self._choices: dict[tuple[int, int], EngineChoice] = {}
        self._trials: defaultdict[tuple[int, int], list[Trial]] = defaultdict(list)

    @property
    def name(self) -> str:
        return self.choice.engine.name

    @property
    def device(self) -> str:
        return self.choice.engine.device

    @property
    def precision(self) -> str:
        return self.choice.engine.precision

    @property
    def warning(self) -> str:
        return self.choice.engine.warning

    @property
    def tunes_per_shape(self) -> bool:
        return self._first.tunes_per_shape or self._measures()

    def serve(self, frame_size: tuple[int, int], engine: Engine, measured: tuple[EngineTiming, ...] = ()) -> None:
        """Give the next frames of this size to `engine`. Thread-safe."""
        self._choices[frame_size] = EngineChoice(engine, measured=measured)
        self._taken_over.append(frame_size)  # released by the thread that segments, which may be using it now

    def serving(self, frame_size: tuple[int, int]) -> Engine:
        """Return the engine for the next frames of this size, as far as it is known."""
        return self._choices.get(frame_size, self.choice).engine

    def note(self, frame_size: tuple[int, int], measured: tuple[EngineTiming, ...]) -> None:
        """Record what the engine of this size was compared with. Thread-safe."""
        self._choices[frame_size] = replace(self._choices[frame_size], measured=measured)

    def try_out(self, frame_size: tuple[int, int], trial: Trial) -> None:
        """Measure an engine on the next frames of this size, and give it those that follow if it wins. Thread-safe.

        The candidate is open: its `open` returns the same engine each time.
        """
        self._trials[frame_size].append(trial)

    def release(self, frame_size: tuple[int, int]) -> None:
        """See `Engine.release`."""
        self._first.release(frame_size)

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        size = check_frames(frames)
        while self._taken_over:
            self.release(self._taken_over.pop())

        def run(engine: Engine) -> list[SegmentationResult]:
            return engine.segment(frames, score_threshold, overlap_threshold)

        results = self._choose(size, frames, run)
        if results is None:
            trials = self._trials.get(size)
            results = self._try(size, trials, run) if trials and vary(frames) else run(self.choice.engine)
        self.frame_counts[size] += len(frames)
        return results

    def _choose(self, size: tuple[int, int], frames: Sequence[np.ndarray], run: Run) -> list[SegmentationResult] | None:
        """Set the choice for the frames; return their results if choosing has segmented them."""
        known = self._choices.get(size)
        if known is not None:
            self.choice = known
            return None
        choice = self._choose_for(frames, run)
        self.choice = replace(choice, results=None)
        if choice.is_final:
            self._choices[size] = self.choice
        return choice.results

    def _try(self, size: tuple[int, int], trials: list[Trial], run: Run) -> list[SegmentationResult]:
        trial = trials[0]
        results = trial.segment(self.choice.engine, run)
        if trial.is_won:
            self.serve(size, trial.candidate.open(), trial.measurements)
        elif trial.is_over:
            self.note(size, trial.measurements)
        if trial.is_over:
            trials.remove(trial)
        return results


def engine_key(engine: Engine) -> str:
    """Name an engine among the measurements, without its file."""
    return f"{engine.name} {engine.precision}"


def measured_times(engine: Engine) -> str:
    """Report what was measured to choose the engine for the latest frames; empty if nothing was."""
    if not isinstance(engine, SwitchingEngine):
        return ""
    own = [str(each) for each in engine.choice.measured]
    return ", ".join(own) or measured_times(engine.choice.engine)


def explain_choice(engine: Engine) -> str:
    """Report which engine runs and, if it was chosen by `engine: auto` or `precision: auto`, why no other does.

    For example "torch on cpu, bf16; measured here: torch fp32 61.2 ms, torch bf16 35.4 ms; openvino is not installed;
    only for NVIDIA GPUs: tensorrt".
    """
    parts = [f"{engine.name} on {engine.device}, {engine.precision}"]
    if times := measured_times(engine):
        parts.append(f"measured here: {times}")
    if isinstance(engine, SwitchingEngine):
        parts += engine.choice.passed_over
    return "; ".join(parts)
