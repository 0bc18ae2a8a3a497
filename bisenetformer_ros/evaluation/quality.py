"""Quality of segmentation results, measured the same way on data sets, bags and live nodes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bisenetformer_ros.data.sample import panoptic_ground_truth
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.inference.tracking import MAX_GAP_S, Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.mean_iou import MeanIoU, MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality, PanopticQualityResult, SegmentMatches
from bisenetformer_ros.metrics.video_quality import VideoQuality, VideoQualityResult
from bisenetformer_ros.results import SegmentationResult


@dataclass(frozen=True)
class ImageQuality:
    """Quality of one image.

    Attributes:
        miou: Mean IoU over the classes in this image, 0..1; nan without labelled pixels.
        matches: Matched segments; None for a semantic result.
    """

    miou: float
    matches: SegmentMatches | None


class QualityMeter:
    """Accumulates mean IoU and, for panoptic results, panoptic quality over images."""

    def __init__(self, labels: LabelMap) -> None:
        self._labels = labels
        self._mean_iou = MeanIoU(len(labels))
        self._panoptic_quality = PanopticQuality(labels)
        self._has_panoptic = False

    def update(
        self, name: str, result: SegmentationResult, label_map: np.ndarray, instance_map: np.ndarray | None
    ) -> ImageQuality:
        """Add an image.

        Args:
            name: Name of the image, for error messages.
            result: Result of the segmentation.
            label_map: (H, W) uint8 class ids, 255 = ignored.
            instance_map: (H, W) integer instance ids, 0 = none, below 0 = crowds; None if the result is semantic.

        Raises:
            DataError: Labels and result differ in size.
        """
        if result.label_map.shape != label_map.shape:
            raise DataError(
                f"{name}: the labels are {label_map.shape}, the image is {result.label_map.shape} (height, width)"
            )
        miou = self._mean_iou.update(result.label_map, label_map).miou
        if result.panoptic_map is None:
            return ImageQuality(miou, None)
        assert instance_map is not None
        self._has_panoptic = True
        truth = panoptic_ground_truth(label_map, instance_map, self._labels)
        return ImageQuality(miou, self._panoptic_quality.update(result.panoptic_map, result.class_ids, *truth))

    @property
    def mean_iou(self) -> MeanIoUResult:
        return self._mean_iou.result()

    @property
    def panoptic_quality(self) -> PanopticQualityResult | None:
        """None without panoptic results."""
        return self._panoptic_quality.result() if self._has_panoptic else None


class TrackingMeter:
    """Compares the tracks of things in panoptic results with the ground truth, frame by frame, video by video."""

    def __init__(self, labels: LabelMap, tracker: Tracker | None = None) -> None:
        """tracker: Gives the things of each frame their ids; None for results whose ids are those of tracks."""
        self._tracker = tracker
        self._quality = VideoQuality(labels)
        self._video: str | None = None
        self._previous_ns: int | None = None
        self._num_compared = 0

    def update(
        self,
        result: SegmentationResult,
        truth: tuple[np.ndarray, np.ndarray] | None,
        video: str = "",
        stamp_ns: int | None = None,
    ) -> None:
        """Add the next frame. Another video begins with another name, and where tracks have to end.

        Args:
            result: Result of the segmentation. A semantic one has no tracks and is ignored.
            truth: Label map and instance map as `VideoQuality` takes them; None if the frame has none.
            video: Name of the video.
            stamp_ns: Time of the frame; None for frames at a constant rate.
        """
        if result.panoptic_map is None:
            return
        if video != self._video or self._is_gap(stamp_ns):
            self._quality.begin_video()
            if self._tracker is not None:
                self._tracker.reset()
        self._video, self._previous_ns = video, stamp_ns
        if self._tracker is not None:
            result = self._tracker.update(result, None if stamp_ns is None else 1e-9 * stamp_ns)
        if truth is not None and result.panoptic_map is not None:
            self._quality.update(result.panoptic_map, result.class_ids, *truth)
            self._num_compared += 1

    def result(self) -> VideoQualityResult | None:
        """Return the measures over all frames so far; None if no frame was compared."""
        return self._quality.result() if self._num_compared else None

    def _is_gap(self, stamp_ns: int | None) -> bool:
        if stamp_ns is None or self._previous_ns is None:
            return False
        return not 0 <= stamp_ns - self._previous_ns <= 1e9 * MAX_GAP_S


def mean_iou_figures(mean_iou: MeanIoUResult, labels: LabelMap) -> dict[str, Any]:
    """Return plain JSON types, shares of 0..1: mean IoU, pixel accuracy, and the IoU of each class by name."""
    per_class = {label.name: float(mean_iou.per_class_iou[label.id]) for label in labels}
    return {"miou": mean_iou.miou, "pixel_accuracy": mean_iou.pixel_accuracy, "iou": per_class}


def panoptic_figures(quality: PanopticQualityResult, labels: LabelMap) -> dict[str, Any]:
    """Return plain JSON types, shares of 0..1: the means over all classes, things and stuff, and each class by name."""
    means = {"all": quality.all, "things": quality.things, "stuff": quality.stuff}
    per_class = {label.name: vars(quality.per_class[label.id]) for label in labels}
    return {name: vars(mean) for name, mean in means.items()} | {"per_class": per_class}
