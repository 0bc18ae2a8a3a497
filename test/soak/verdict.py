"""What a soak run has to show, from its samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Sample = Mapping[str, Any]
WARM_UP = 0.2
"""Share of the run after which nothing may grow any more."""
MAX_GROWTH_MB = 10.0


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    figures: str


def judge(samples: Sequence[Sample], sent: Mapping[str, Mapping[str, int]], period_ms: float) -> list[Check]:
    """samples: of the monitor, the last one after everything had come to rest. sent: topic → what its camera sent.

    period_ms: between two frames of one camera.
    """
    return [
        *_accounting(samples[-1]["counts"], sent),
        _age(samples, len(sent), period_ms),
        _memory(samples),
        _constant(samples, "threads"),
        _constant(samples, "files"),
    ]


def _accounting(counts: Mapping[str, Mapping[str, float]], sent: Mapping[str, Mapping[str, int]]) -> Iterator[Check]:
    """Every frame that came in was segmented, or dropped for a reason that has a name."""
    for topic in sent:
        values = counts[topic]
        received, segmented = int(values["total_received_frames"]), int(values["total_segmented_frames"])
        reasons = {key.removeprefix("dropped."): int(v) for key, v in values.items() if key.startswith("dropped.")}
        named = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        figures = f"{received} in = {segmented} segmented + {sum(reasons.values())} dropped ({named})"
        yield Check(f"{topic}: frames in = out", received == segmented + sum(reasons.values()), figures)
        on_the_way = sent[topic]["sent"] - received
        share = on_the_way / max(1, sent[topic]["sent"])
        figures = f"{sent[topic]['sent']} sent, {on_the_way} of them replaced on the way ({100 * share:.2f} %)"
        yield Check(f"{topic}: frames sent = in", 0 <= share < 0.01, figures)


def _age(samples: Sequence[Sample], cameras: int, period_ms: float) -> Check:
    """A frame waits for one round at most and takes part in the next; a round is a frame of every camera."""
    ages = np.concatenate([sample["ages"] for sample in _settled(samples)])
    busy = np.concatenate([sample["busy"] for sample in _settled(samples)])
    age, round_ms = float(np.percentile(ages, 99)), cameras * float(np.percentile(busy, 99))
    bound = 2 * round_ms + period_ms
    figures = f"p99 {age:.0f} ms, bound {bound:.0f} ms = 2 x {round_ms:.0f} (all cameras, p99) + {period_ms:.0f}"
    return Check(
        "age of the masks", age <= bound, f"{figures}; p50 {np.percentile(ages, 50):.0f} ms, {len(ages)} masks"
    )


def _memory(samples: Sequence[Sample]) -> Check:
    """By the straight line through what is resident after the warm-up: what it gains until the end."""
    settled = _settled(samples)
    times = np.array([sample["time"] for sample in settled])
    resident = np.array([sample["resident_mb"] for sample in settled])
    slope = float(np.polyfit(times, resident, 1)[0])
    growth = slope * float(np.ptp(times))
    figures = f"{resident[0]:.0f} to {resident[-1]:.0f} MB, trend {growth:+.1f} MB ({3600 * slope:+.1f} MB per hour)"
    return Check("memory is flat", growth < MAX_GROWTH_MB, figures)


def _constant(samples: Sequence[Sample], what: str) -> Check:
    values = {sample[what] for sample in _settled(samples)}
    return Check(f"{what} are constant", max(values) - min(values) == 0, ", ".join(str(v) for v in sorted(values)))


def _settled(samples: Sequence[Sample]) -> Sequence[Sample]:
    return samples[int(WARM_UP * len(samples)) : -1]  # the last one is of the time after the cameras
