"""Measurements of a bag, of each frame and of all frames together."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bisenetformer_ros.bags.topics import Topic
from bisenetformer_ros.evaluation.quality import mean_iou_figures, panoptic_figures
from bisenetformer_ros.images.stamps import count_missing
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.latency import LatencySummary, summarize
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQualityResult
from bisenetformer_ros.metrics.temporal_consistency import ConsistencyResult
from bisenetformer_ros.metrics.video_quality import VideoQualityResult
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.results import STAGES

BAG_STAGES = ("decode", *STAGES)
"""Stages of a frame that is read from a bag, in order."""


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """An image of a bag.

    Attributes:
        name: Name of the bag and number of the image in its topic.
        stamp_ns: Stamp of its header; the time of recording if the message is too short to have one.
        time_ns: Time of recording.
        dropped: Why it could not be segmented, such as `bad_input.zero_size`; empty if it was segmented.
        reason: Explanation of `dropped`.
        times_ms: Milliseconds of each of BAG_STAGES.
        class_shares: (K + 1,) fractions of the pixels by class, unlabeled last.
        miou: Mean IoU of this frame, 0..1; None if not measured.
        consistency: Temporal consistency with the previous frame, 0..1; None if not measured.
    """

    name: str
    stamp_ns: int
    time_ns: int
    dropped: str = ""
    reason: str = ""
    times_ms: Mapping[str, float] = field(default_factory=dict)
    class_shares: np.ndarray = field(default_factory=lambda: np.zeros(0))
    miou: float | None = None
    consistency: float | None = None


@dataclass(frozen=True, eq=False)
class BagEvaluation:
    """Measurements of a bag.

    Attributes:
        topic: Image topic.
        labels: Classes of the model.
        frames: Images in order of their stamps.
        mean_iou: None without labels.
        panoptic_quality: None without labels or for the semantic task.
        consistency: Temporal consistency.
        tracking: Of the things; None without instance ids or for the semantic task.
        num_labeled: Number of frames that have labels.
        has_instances: Whether the bag has instance ids; otherwise connected components are used as instances.
        ignored_labels: Value → pixels of the labels that are ignored as they are no class ids.
    """

    topic: Topic
    labels: LabelMap
    frames: list[FrameRecord]
    mean_iou: MeanIoUResult | None
    panoptic_quality: PanopticQualityResult | None
    consistency: ConsistencyResult
    tracking: VideoQualityResult | None
    num_labeled: int
    has_instances: bool
    ignored_labels: Counter[int] = field(default_factory=Counter)

    @property
    def segmented(self) -> list[FrameRecord]:
        return [frame for frame in self.frames if not frame.dropped]

    @property
    def dropped(self) -> Counter[str]:
        """Reason → number of images that could not be segmented."""
        return Counter(frame.dropped for frame in self.frames if frame.dropped)

    @property
    def missing(self) -> int:
        """Number of frames missing from the recording, estimated from gaps in the stamps."""
        return count_missing(frame.stamp_ns / 1e9 for frame in self.frames)

    @property
    def measures(self) -> dict[str, float]:
        """Measures of --fail-under, 0..1: miou, pq, consistency, panoptic_consistency. Unmeasured ones are left out."""
        values = {"consistency": self.consistency.miou, "panoptic_consistency": self.consistency.pq}
        if self.mean_iou is not None:
            values["miou"] = self.mean_iou.miou
        if self.panoptic_quality is not None:
            values["pq"] = self.panoptic_quality.all.pq
        return {name: value for name, value in values.items() if not math.isnan(value)}

    def latencies(self) -> dict[str, LatencySummary]:
        """Summarize each stage and `total`, their sum."""
        times = [frame.times_ms for frame in self.segmented]
        stages = {stage: summarize(of_frame[stage] for of_frame in times) for stage in BAG_STAGES}
        return stages | {"total": summarize(sum(of_frame.values()) for of_frame in times)}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: milliseconds, shares of 0..1, null for what was not measured."""
        quality: dict[str, Any] = {"miou": None, "pixel_accuracy": None, "iou": None, "panoptic": None}
        if self.mean_iou is not None:
            quality |= mean_iou_figures(self.mean_iou, self.labels)
        if self.panoptic_quality is not None:
            panoptic = panoptic_figures(self.panoptic_quality, self.labels)
            quality["panoptic"] = panoptic | {"exact_instances": self.has_instances}
        content = {
            "topic": vars(self.topic),
            "frames": {
                "read": len(self.frames),
                "segmented": len(self.segmented),
                "dropped": dict(self.dropped),
                "missing_by_stamps": self.missing,
                "labeled": self.num_labeled,
            },
            "ignored_label_values": dict(self.ignored_labels),
            **quality,
            "consistency": vars(self.consistency),
            "tracking": self.tracking.to_dict() if self.tracking else None,
            "class_shares": self._mean_shares(),
            "latency_ms": {stage: vars(summary) for stage, summary in self.latencies().items()},
            "per_frame": [self._frame(frame) for frame in self.frames],
        }
        return without_nan(content)

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
