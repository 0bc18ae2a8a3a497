"""Measures engines beside each other on frames of the camera: the fastest that agrees with the first is taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from bisenetformer_ros.inference.agreement import MIN_LABELS
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.results import SegmentationResult

BUDGET_S = 1.5
"""Most time that a comparison adds to the frame on which it is made."""
ROUNDS = 5
"""Runs of each engine. The shortest counts: load on the machine only adds to a time."""
MIN_GAIN = 0.05
"""An engine replaces the first one if it is faster by this fraction, so that chance decides nothing."""

Run = Callable[[Engine], list[SegmentationResult]]


@dataclass(frozen=True)
class Candidate:
    """An engine that may serve.

    Attributes:
        key: Identifies the engine, its precision and its file among the kept measurements.
        open: Opens it.
    """

    key: str
    open: Callable[[], Engine]


@dataclass(frozen=True)
class EngineTiming:
    """How an engine did.

    Attributes:
        key: Of the candidate.
        label: Engine and precision, for users.
        ms: Shortest time of one frame.
        labels: Fraction of its labels that are those of the first candidate, 0 to 1.
        required: Smallest such fraction with which it may serve.
    """

    key: str
    label: str
    ms: float
    labels: float
    required: float

    @property
    def agrees(self) -> bool:
        return self.labels >= self.required

    def __str__(self) -> str:
        agreement = f"{100 * self.labels:.2f} % of its labels agree (required: {100 * self.required:.4g} %)"
        return f"{self.label} {self.ms:.1f} ms" + ("" if self.agrees else f", but {agreement}")


@dataclass(frozen=True)
class Comparison:
    """Engines on the same frames.

    Attributes:
        measurements: In the order of the candidates.
        problems: Why other candidates could not run.
        is_complete: Whether there was time for every candidate.
        engine: The fastest.
        results: Its results.
    """

    measurements: tuple[EngineTiming, ...]
    problems: tuple[str, ...]
    is_complete: bool
    engine: Engine
    results: list[SegmentationResult]


def measure(
    candidates: Sequence[Candidate],
    run: Run,
    budget_s: float = BUDGET_S,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = perf_counter,
) -> Comparison:
    """Run the candidates in turn.

    Args:
        candidates: The first one is the reference of the agreement.
        run: Segments the same frames with any engine.
        budget_s: A run is left out if the time since the first one, which the frames take in any case, would exceed
            this. Opening counts.
        rounds: Most runs of each candidate.
        clock: Returns seconds.

    Raises:
        Exception: That of the first candidate. Others that fail are left out.
    """
    engines: dict[str, Engine] = {}
    results: dict[str, list[SegmentationResult]] = {}
    best_s: dict[str, float] = {}
    problems: dict[str, str] = {}
    reference = candidates[0].key
    deadline = None
    for key, open_engine in [(each.key, each.open) for _ in range(rounds) for each in candidates]:
        if key in problems:
            continue
        try:
            engine = engines.get(key) or engines.setdefault(key, open_engine())
            start = clock()
            if deadline is not None and start + best_s.get(key, best_s[reference]) > deadline:
                break
            results[key] = run(engine)
        except Exception as error:
            if key == reference:
                raise
            problems[key] = f"{key.partition(' ')[0]} does not work: {error}"
            continue
        end = clock()
        best_s[key] = min(end - start, best_s.get(key, end - start))
        deadline = end + budget_s if deadline is None else deadline
    measurements = tuple(
        EngineTiming(
            key,
            f"{engines[key].name} {engines[key].precision}",
            1e3 * best_s[key] / len(results[key]),
            _equal_labels(results[key], results[reference]),
            1.0 if key == reference else _required(engines[key], engines[reference]),
        )
        for key in best_s
        if key not in problems
    )
    chosen = fastest(measurements).key
    is_complete = all(each.key in best_s or each.key in problems for each in candidates)
    return Comparison(measurements, tuple(problems.values()), is_complete, engines[chosen], results[chosen])


def fastest(measurements: Sequence[EngineTiming]) -> EngineTiming:
    """Return the fastest that agrees: the first one, unless another is faster by MIN_GAIN."""
    first = measurements[0]
    best = min((each for each in measurements if each.agrees), key=lambda each: each.ms, default=first)
    return best if best.ms < (1 - MIN_GAIN) * first.ms else first


def combine(rounds: Sequence[Sequence[EngineTiming]]) -> tuple[EngineTiming, ...]:
    """Join measurements of the same candidates on several frames: the shortest times, the mean agreement."""
    return tuple(
        EngineTiming(
            same[0].key,
            same[0].label,
            min(each.ms for each in same),
            sum(each.labels for each in same) / len(same),
            same[0].required,
        )
        for same in zip(*rounds, strict=True)
    )


def vary(frames: Sequence[np.ndarray]) -> bool:
    """Whether any frame shows more than one colour. On others, as in a warm-up, agreement and times prove nothing."""
    return any((frame != frame[0, 0]).any() for frame in frames)


def _equal_labels(results: Sequence[SegmentationResult], references: Sequence[SegmentationResult]) -> float:
    pairs = zip(results, references, strict=True)
    return float(sum((ours.label_map == theirs.label_map).mean() for ours, theirs in pairs) / len(results))


def _required(engine: Engine, reference: Engine) -> float:
    """PyTorch in fp32 is the truth. Another reference may itself differ from it by what its precision allows."""
    is_exact = (reference.name, reference.precision) == ("torch", "fp32")
    return MIN_LABELS[engine.precision] - (0.0 if is_exact else 1 - MIN_LABELS[reference.precision])
