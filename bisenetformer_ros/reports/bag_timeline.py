"""A bag of any length, divided into at most MAX_MOMENTS moments for charts."""

import math
from collections.abc import Sequence

import numpy as np

from bisenetformer_ros.evaluation.bag_frames import BAG_STAGES, BagEvaluation, FrameRecord

MAX_MOMENTS = 240


class Timeline:
    """The frames of a bag grouped into moments: one frame each, or intervals of equal duration for many frames.

    Attributes:
        duration_s: Time from the first frame to the end of the last.
        axis_s: `duration_s` if moments are intervals; None if they are frames.
        resolution: A sentence that explains what a moment is.
    """

    def __init__(self, evaluation: BagEvaluation) -> None:
        frames = evaluation.frames
        times_s = np.array([frame.time_ns for frame in frames], np.int64) / 1e9
        span_s = float(np.ptp(times_s)) if frames else 0.0
        self.duration_s = span_s * len(frames) / (len(frames) - 1) if len(frames) > 1 else 0.0
        self._num_classes = len(evaluation.labels) + 1
        if len(frames) <= MAX_MOMENTS or not self.duration_s:
            self.axis_s, self.resolution = None, "One column per frame."
            self._moments = [[frame] for frame in frames]
            return
        count = min(MAX_MOMENTS, len(frames) // 2)  # two frames each, so that jitter leaves no interval empty
        self.axis_s, self.resolution = (
            self.duration_s,
            f"One column per {self.duration_s / count:.2g} s: the median of its frames.",
        )
        self._moments = [[] for _ in range(count)]
        for frame, time_s in zip(frames, times_s - times_s.min(), strict=True):
            self._moments[int(count * time_s / self.duration_s)].append(frame)

    def __len__(self) -> int:
        return len(self._moments)

    def latency(self) -> list[dict[str, float] | None]:
        """Return the median milliseconds of each stage by moment; None without a segmented frame."""
        return [
            {stage: float(np.median([frame.times_ms[stage] for frame in frames])) for stage in BAG_STAGES}
            if frames
            else None
            for frames in map(_segmented, self._moments)
        ]

    def drops(self) -> dict[str, list[int]]:
        """Return reason → number of unusable frames by moment."""
        reasons = sorted({frame.dropped for frames in self._moments for frame in frames if frame.dropped})
        return {reason: [sum(f.dropped == reason for f in frames) for frames in self._moments] for reason in reasons}

    def mean(self, measure: str) -> list[float | None]:
        """Return the mean of "miou" or "consistency" by moment; None where it was not measured."""
        values = [[getattr(frame, measure) for frame in frames] for frames in self._moments]
        measured = [[value for value in of_moment if value is not None] for of_moment in values]
        return [float(np.mean(of_moment)) if of_moment else None for of_moment in measured]

    def class_shares(self) -> Sequence[Sequence[float]]:
        """Return the mean class shares by moment, unlabeled last; zeros where no frame was segmented."""
        nothing = np.zeros(self._num_classes)
        shares = [[frame.class_shares for frame in _segmented(frames)] for frames in self._moments]
        return [np.mean(of_moment, axis=0).tolist() if of_moment else nothing.tolist() for of_moment in shares]


def _segmented(frames: list[FrameRecord]) -> list[FrameRecord]:
    return [frame for frame in frames if not frame.dropped]


def condense(columns: Sequence[dict[str, float] | None]) -> tuple[list[dict[str, float] | None], int]:
    """Reduce columns to at most MAX_MOMENTS by taking medians of neighbours.

    Returns:
        The columns, None where all neighbours are None, and the number of neighbours per column.
    """
    together = math.ceil(len(columns) / MAX_MOMENTS) or 1
    groups = [[c for c in columns[i : i + together] if c] for i in range(0, len(columns), together)]
    return [
        {key: float(np.median([c[key] for c in group])) for key in group[0]} if group else None for group in groups
    ], together
