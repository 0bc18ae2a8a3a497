"""Checks of a soak run, from its samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Sample = Mapping[str, Any]
WARM_UP = 0.2
"""Fraction of the run after which nothing may grow."""
MAX_GROWTH_MB = 10.0
MAX_LOST = 0.05
"""Largest fraction of frames that newer ones may replace in the subscription's queue of one."""


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    figures: str


def judge(samples: Sequence[Sample], sent: Mapping[str, int], period_ms: float) -> list[Check]:
    """Check a run.

    Args:
        samples: Samples of the monitor; the first from before the cameras started, the last from after the last frame.
        sent: Topic → frames that its camera sent in between.
        period_ms: Time between two frames of one camera.
    """
    return [
        *(check for topic in sent for check in _accounting(topic, samples, sent[topic])),
        _age(samples, len(sent), period_ms),
        _memory(samples),
        _constant(samples, "threads"),
        _constant(samples, "files"),
    ]


def _accounting(topic: str, samples: Sequence[Sample], sent: int) -> Iterator[Check]:
    """Every received frame was segmented, or dropped for a named reason."""
    first, last = samples[0]["counts"][topic], samples[-1]["counts"][topic]
    grown = {key: int(value - first.get(key, 0)) for key, value in last.items()}
    received, segmented = grown["total_received_frames"], grown["total_segmented_frames"]
    reasons = {key.removeprefix("dropped."): count for key, count in grown.items() if key.startswith("dropped.")}
    dropped = sum(reasons.values())
    named = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()) if count)
    figures = f"{received} in = {segmented} segmented + {dropped} dropped ({named})"
    yield Check(f"{topic}: frames in = out", received == segmented + dropped, figures)
    lost = sent - received
    figures = f"{sent} sent, {lost} of them replaced by newer ones in the queue ({100 * lost / max(1, sent):.2f} %)"
    yield Check(f"{topic}: frames sent = in", 0 <= lost <= MAX_LOST * sent, figures)


def _age(samples: Sequence[Sample], cameras: int, period_ms: float) -> Check:
    """A frame waits for at most one round and is served in the next; a round is one frame of every camera."""
    ages = np.concatenate([sample["ages"] for sample in _settled(samples)])
    busy = np.concatenate([sample["busy"] for sample in _settled(samples)])
    age, round_ms = float(np.percentile(ages, 99)), cameras * float(np.percentile(busy, 99))
    bound = 2 * round_ms + period_ms
    figures = f"p99 {age:.0f} ms, bound {bound:.0f} ms = 2 x {round_ms:.0f} (all cameras, p99) + {period_ms:.0f}"
    return Check(
        "age of the masks", age <= bound, f"{figures}; p50 {np.percentile(ages, 50):.0f} ms, {len(ages)} masks"
    )


def _memory(samples: Sequence[Sample]) -> Check:
    """Growth of the linear fit to the resident memory after the warm-up."""
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
    return samples[max(1, int(WARM_UP * len(samples))) : -1]  # no cameras during the first and the last one
