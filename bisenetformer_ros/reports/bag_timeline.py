"""A drive of any length as a few hundred moments, for charts."""

import math
from collections.abc import Sequence

import numpy as np

from bisenetformer_ros.evaluation.bag_frames import STAGES, BagEvaluation, FrameRecord

MAX_MOMENTS = 240


class Timeline:
    """Every frame is a moment, or, where they are too many, moments are of equal duration.

    duration_s: from the first frame to the end of the last. axis_s: the same where moments are of equal duration, else
    None. resolution: a sentence on what a moment is.
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
        count = min(MAX_MOMENTS, len(frames) // 2)  # jitter leaves none of them empty then
        self.axis_s, self.resolution = self.duration_s, f"A column is the median of {self.duration_s / count:.2g} s."
        self._moments = [[] for _ in range(count)]
        for frame, time_s in zip(frames, times_s - times_s.min(), strict=True):
            self._moments[int(count * time_s / self.duration_s)].append(frame)

    def __len__(self) -> int:
        return len(self._moments)

    def latency(self) -> list[dict[str, float] | None]:
        """Of every moment the medians of the stages; None without a segmented frame."""
        return [
            {stage: float(np.median([frame.times_ms[stage] for frame in frames])) for stage in STAGES}
            if frames
            else None
            for frames in map(_segmented, self._moments)
        ]

    def drops(self) -> dict[str, list[int]]:
        """Reason → number of unusable frames in every moment."""
        reasons = sorted({frame.dropped for frames in self._moments for frame in frames if frame.dropped})
        return {reason: [sum(f.dropped == reason for f in frames) for frames in self._moments] for reason in reasons}

    def mean(self, measure: str) -> list[float | None]:
        """Of every moment the mean of "miou" or "consistency"; None where it was not measured."""
        values = [[getattr(frame, measure) for frame in frames] for frames in self._moments]
        measured = [[value for value in of_moment if value is not None] for of_moment in values]
        return [float(np.mean(of_moment)) if of_moment else None for of_moment in measured]

    def class_shares(self) -> Sequence[Sequence[float]]:
        """Of every moment the mean shares of the classes and of unlabeled; nothing where no frame was segmented."""
        nothing = np.zeros(self._num_classes)
        shares = [[frame.class_shares for frame in _segmented(frames)] for frames in self._moments]
        return [np.mean(of_moment, axis=0).tolist() if of_moment else nothing.tolist() for of_moment in shares]


def _segmented(frames: list[FrameRecord]) -> list[FrameRecord]:
    return [frame for frame in frames if not frame.dropped]


def condense(columns: Sequence[dict[int, float] | None]) -> tuple[list[dict[int, float] | None], int]:
    """At most MAX_MOMENTS columns: medians of so many neighbours, None where all of them are; and how many."""
    together = math.ceil(len(columns) / MAX_MOMENTS) or 1
    groups = [[c for c in columns[i : i + together] if c] for i in range(0, len(columns), together)]
    return [
        {key: float(np.median([c[key] for c in group])) for key in group[0]} if group else None for group in groups
    ], together
