"""Measurements in a few numbers that outliers do not move: median and quartiles."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """lower, median, upper: the quartiles, interpolated linearly between measurements; count: of measurements."""

    lower: float
    median: float
    upper: float
    count: int

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def spread(values: Sequence[float]) -> Spread:
    """Of at least one value."""
    lower, median, upper = np.percentile(values, (25, 50, 75))
    return Spread(float(lower), float(median), float(upper), len(values))


def speedup(reference: Sequence[float], values: Sequence[float]) -> Spread:
    """How many times as fast as the reference: of each round reference / value, so that what slows a whole round
    counts on both sides. Both sequences have one time per round."""
    return spread([before / after for before, after in zip(reference, values, strict=True)])
