"""What is known of every frame of a recorded drive, and of all of them together."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bisenetformer_ros.bags.topics import Topic
from bisenetformer_ros.images.stamps import count_missing
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.latency import LatencySummary, summarize
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQualityResult
from bisenetformer_ros.metrics.temporal_consistency import ConsistencyResult
from bisenetformer_ros.numbers import without_nan

STAGES = ("decode", "preprocess", "inference", "postprocess")
"""Where the time of a frame goes when it is read from a bag, in order."""

NO_SHARES = np.zeros(0)


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """One image of the bag.

    stamp_ns: of its header; time_ns: when it was recorded. dropped: the fault, as in `bad_input.zero_size`, for which
    it could not be segmented, explained in `reason`; empty if it was. times_ms: of STAGES. class_shares: (K + 1,) of
    the pixels, unlabeled last. miou, consistency: shares of 0..1 of this frame alone, None if not measured.
    """

    name: str
    stamp_ns: int
    time_ns: int
    dropped: str = ""
    reason: str = ""
    times_ms: Mapping[str, float] = field(default_factory=dict)
    class_shares: np.ndarray = field(default_factory=lambda: NO_SHARES)
    miou: float | None = None
    consistency: float | None = None


@dataclass(frozen=True, eq=False)
class BagEvaluation:
    """mean_iou, panoptic_quality: None if not measured. num_labeled: frames compared with labels; has_instances:
    whether the labels tell things apart, else connected components stand in for them."""

    topic: Topic
    labels: LabelMap
    frames: list[FrameRecord]
    mean_iou: MeanIoUResult | None
    panoptic_quality: PanopticQualityResult | None
    consistency: ConsistencyResult
    num_labeled: int
    has_instances: bool

    @property
    def segmented(self) -> list[FrameRecord]:
        return [frame for frame in self.frames if not frame.dropped]

    @property
    def dropped(self) -> Counter[str]:
        """Reason → number of images that could not be segmented."""
        return Counter(frame.dropped for frame in self.frames if frame.dropped)

    @property
    def missing(self) -> int:
        """Frames that were never recorded, judged by gaps in the stamps."""
        return count_missing(frame.stamp_ns / 1e9 for frame in self.frames)

    @property
    def measures(self) -> dict[str, float]:
        """Shares of 0..1 by the names of --fail-under: miou, pq, consistency, panoptic_consistency; nan is left out."""
        values = {"consistency": self.consistency.miou, "panoptic_consistency": self.consistency.pq}
        if self.mean_iou is not None:
            values["miou"] = self.mean_iou.miou
        if self.panoptic_quality is not None:
            values["pq"] = self.panoptic_quality.all.pq
        return {name: value for name, value in values.items() if not math.isnan(value)}

    def latencies(self) -> dict[str, LatencySummary]:
        """Milliseconds of every stage and of `total`, their sum."""
        times = [frame.times_ms for frame in self.segmented]
        stages = {stage: summarize(of_frame[stage] for of_frame in times) for stage in STAGES}
        return stages | {"total": summarize(sum(of_frame.values()) for of_frame in times)}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: milliseconds, shares of 0..1, null for what was not measured."""
        content: dict[str, Any] = {
            "topic": vars(self.topic),
            "frames": {
                "read": len(self.frames),
                "segmented": len(self.segmented),
                "dropped": dict(self.dropped),
                "missing_by_stamps": self.missing,
                "labeled": self.num_labeled,
            },
            "miou": self.mean_iou.miou if self.mean_iou else None,
            "pixel_accuracy": self.mean_iou.pixel_accuracy if self.mean_iou else None,
            "iou": self._per_class_iou(),
            "panoptic": self._panoptic(),
            "consistency": vars(self.consistency),
            "class_shares": self._mean_shares(),
            "latency_ms": {stage: vars(summary) for stage, summary in self.latencies().items()},
            "per_frame": [self._frame(frame) for frame in self.frames],
        }
        return without_nan(content)

    def _per_class_iou(self) -> dict[str, float] | None:
        if self.mean_iou is None:
            return None
        return {label.name: float(self.mean_iou.per_class_iou[label.id]) for label in self.labels}

    def _panoptic(self) -> dict[str, Any] | None:
        quality = self.panoptic_quality
        if quality is None:
            return None
        means = {name: vars(getattr(quality, name)) for name in ("all", "things", "stuff")}
        per_class = {label.name: vars(quality.per_class[label.id]) for label in self.labels}
        return {**means, "per_class": per_class, "exact_instances": self.has_instances}

    def _mean_shares(self) -> dict[str, float]:
        names = [*(label.name for label in self.labels), "unlabeled"]
        shares = [frame.class_shares for frame in self.segmented]
        means = np.mean(shares, axis=0).tolist() if shares else [math.nan] * len(names)
        return dict(zip(names, means, strict=True))

    def _frame(self, frame: FrameRecord) -> dict[str, Any]:
        content: dict[str, Any] = {"name": frame.name, "stamp_ns": frame.stamp_ns}
        if frame.dropped:
            return content | {"dropped": frame.dropped, "reason": frame.reason}
        return content | {"times_ms": dict(frame.times_ms), "miou": frame.miou, "consistency": frame.consistency}
