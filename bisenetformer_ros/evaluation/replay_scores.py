"""How good the results are that arrived, measured against the truth frame by frame."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bisenetformer_ros.data.label_folder import LabelFolder
from bisenetformer_ros.data.sample import panoptic_ground_truth
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.mean_iou import MeanIoU, MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality, PanopticQualityResult
from bisenetformer_ros.replay.recording import Recording
from bisenetformer_ros.results import SegmentationResult


@dataclass(frozen=True, eq=False)
class Scores:
    """mean_iou: of ~/mask. panoptic_quality: of ~/panoptic and ~/segments, None if neither arrived with a label.

    frame_miou: stamp → mIoU over the classes in that frame alone. exact_instances: False if the truth's instances are
    connected components, so that touching objects count as one.
    """

    mean_iou: MeanIoUResult
    panoptic_quality: PanopticQualityResult | None
    frame_miou: dict[int, float]
    exact_instances: bool

    def to_dict(self, labels: LabelMap) -> dict[str, Any]:
        """Plain JSON types; shares of 0..1."""
        content: dict[str, Any] = {
            "frames": len(self.frame_miou),
            "miou": self.mean_iou.miou,
            "pixel_accuracy": self.mean_iou.pixel_accuracy,
            "iou": {label.name: float(self.mean_iou.per_class_iou[label.id]) for label in labels.labels},
            "exact_instances": self.exact_instances,
        }
        if self.panoptic_quality is not None:
            quality = self.panoptic_quality
            per_class = {label.name: vars(quality.per_class[label.id]) for label in labels.labels}
            means = {name: vars(getattr(quality, name)) for name in ("all", "things", "stuff")}
            content["panoptic"] = means | {"per_class": per_class}
        return content


class Scorer:
    """Adds up frames; `load` is where the truth of one comes from."""

    def __init__(self, recording: Recording, truth: LabelFolder, labels: LabelMap) -> None:
        self._recording = recording
        self._truth = truth
        self._labels = labels
        self._mean_iou = MeanIoU(len(labels))
        self._quality = PanopticQuality(labels)
        self._has_panoptic = False
        self._frame_miou: dict[int, float] = {}

    def add(self, stamp: int) -> None:
        """Raises DataError if labels and camera differ in size."""
        name = self._recording.sent[stamp]
        truth = self._truth.load(name, self._labels)
        if truth is None:
            return
        result = self._recording.result(stamp)
        if truth[0].shape != result.label_map.shape:
            sizes = f"{truth[0].shape}, the image is {result.label_map.shape} (height, width)"
            raise DataError(f"the labels of {name} are {sizes}")
        of_frame = MeanIoU(len(self._labels))
        for measure in (self._mean_iou, of_frame):
            measure.update(result.label_map, truth[0])
        self._frame_miou[stamp] = of_frame.result().miou
        if result.panoptic_map is not None:
            self._add_panoptic(result, *truth)

    def _add_panoptic(self, result: SegmentationResult, label_map: np.ndarray, instance_map: np.ndarray) -> None:
        found = {segment.id: segment.class_id for segment in result.segments}
        self._quality.update(result.panoptic_map, found, *panoptic_ground_truth(label_map, instance_map, self._labels))
        self._has_panoptic = True

    def scores(self) -> Scores | None:
        """None if no frame had labels."""
        if not self._frame_miou:
            return None
        return Scores(
            self._mean_iou.result(),
            self._quality.result() if self._has_panoptic else None,
            self._frame_miou,
            self._truth.instances is not None,
        )


def score(recording: Recording, truth: LabelFolder | None, on_frame: Callable[[], None]) -> tuple[Scores | None, str]:
    """The scores, or None and the reason why there are none."""
    if truth is None or recording.labels is None:
        return None, "the source has no labels"
    names = tuple(label.name for label in recording.labels.labels)
    if truth.class_names not in (None, names):
        return None, f"the model knows {', '.join(names)}; the labels are of {', '.join(truth.class_names)}"
    scorer = Scorer(recording, truth, recording.labels)
    for stamp in sorted(recording.sent.keys() & recording.outputs["mask"].keys()):
        scorer.add(stamp)
        on_frame()
    scores = scorer.scores()
    return scores, "" if scores else "no frame that came back has a label image"
