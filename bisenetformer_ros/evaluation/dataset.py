"""Runs a segmenter over a labelled data set and measures what it finds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from bisenetformer_ros.data.file_search import first_of
from bisenetformer_ros.data.sample import LabeledDataset, Sample, panoptic_ground_truth
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.latency import LatencySummary, LatencyWindow
from bisenetformer_ros.metrics.mean_iou import MeanIoU, MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import (
    Matches,
    PanopticQuality,
    PanopticQualityResult,
    image_pq,
)
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.results import SegmentationResult, StageTimes
from bisenetformer_ros.segmenter import Segmenter

STAGES = ("preprocess", "inference", "postprocess")


@dataclass(frozen=True, eq=False)
class ImageScore:
    """One image alone. miou: over the classes in it, nan without labelled pixels. pq: likewise, nan without segments.

    pq and matches: None for the semantic task. times_ms: None if the engine measures none.
    """

    name: str
    miou: float
    pq: float | None
    matches: Matches | None
    times_ms: StageTimes | None


@dataclass(frozen=True, eq=False)
class DatasetEvaluation:
    """mean_iou: of `label_map`. panoptic_quality: None for the semantic task. images: in the order of the data set."""

    mean_iou: MeanIoUResult
    panoptic_quality: PanopticQualityResult | None
    images: Sequence[ImageScore]

    @property
    def latency(self) -> LatencySummary:
        """Of whole frames."""
        return self.latencies()["total"]

    def latencies(self) -> dict[str, LatencySummary]:
        """Of every stage, and of all together under "total"."""
        windows = {name: LatencyWindow(max(1, len(self.images))) for name in (*STAGES, "total")}
        for image in self.images:
            if image.times_ms is not None:
                stages = vars(image.times_ms)
                for name, milliseconds in {**stages, "total": sum(stages.values())}.items():
                    windows[name].add(milliseconds)
        return {name: window.summary() for name, window in windows.items()}

    def scores(self) -> list[float | None]:
        """PQ of each image, in the semantic task mIoU; None for an image without labels."""
        scores = [image.miou if image.pq is None else image.pq for image in self.images]
        return [None if math.isnan(score) else score for score in scores]

    def ranked(self) -> list[int]:
        """Positions of the images that have a score, the worst first."""
        scored = [(score, index) for index, score in enumerate(self.scores()) if score is not None]
        return [index for _, index in sorted(scored)]

    def to_dict(self, labels: LabelMap) -> dict[str, Any]:
        """Plain JSON types; shares of 0..1, null for a class that does not occur (0 in panopticapi's part)."""
        content: dict[str, Any] = {
            "num_images": len(self.images),
            "miou": self.mean_iou.miou,
            "pixel_accuracy": self.mean_iou.pixel_accuracy,
            "iou": {label.name: float(self.mean_iou.per_class_iou[label.id]) for label in labels},
            "frame_ms": vars(self.latency),
            "stage_ms": {name: vars(summary) for name, summary in self.latencies().items() if name != "total"},
            "images": {image.name: {"miou": image.miou, "pq": image.pq} for image in self.images},
        }
        if self.panoptic_quality is not None:
            content |= self.panoptic_quality.to_dict()
        return without_nan(content)


def evaluate(
    segmenter: Segmenter, dataset: LabeledDataset, on_image: Callable[[int, float], None] = lambda count, miou: None
) -> DatasetEvaluation:
    """on_image receives the number of images done and the mIoU so far.

    Raises ConfigError when the model and the data set have different classes, DataError for labels of another size.
    """
    _check_classes(segmenter.labels, dataset.labels)
    iou, quality = MeanIoU(len(dataset.labels)), PanopticQuality(dataset.labels)
    images = []
    for index in range(len(dataset)):
        sample = dataset[index]
        result = segmenter(sample.rgb)
        images.append(_score(sample, result, dataset.labels, iou, quality))
        on_image(index + 1, iou.result().miou)
    panoptic = quality.result() if segmenter.task == "panoptic" else None
    return DatasetEvaluation(iou.result(), panoptic, tuple(images))


def _score(
    sample: Sample, result: SegmentationResult, labels: LabelMap, iou: MeanIoU, quality: PanopticQuality
) -> ImageScore:
    if result.label_map.shape != sample.label_map.shape:
        raise DataError(f"{sample.name}: the labels are {sample.label_map.shape}, the image {result.label_map.shape}")
    miou = iou.update(result.label_map, sample.label_map).miou
    if result.panoptic_map is None:
        return ImageScore(sample.name, miou, None, None, result.times_ms)
    found = {segment.id: segment.class_id for segment in result.segments}
    truth = panoptic_ground_truth(sample.label_map, sample.instance_map, labels)
    matches = quality.update(result.panoptic_map, found, *truth)
    return ImageScore(sample.name, miou, image_pq(matches, labels), matches, result.times_ms)


def _check_classes(model: LabelMap, dataset: LabelMap) -> None:
    names = zip_longest((label.name for label in model), (label.name for label in dataset), fillvalue="missing")
    different = [
        f"{i} is {name} in the model and {true} in the data" for i, (name, true) in enumerate(names) if name != true
    ]
    if different:
        raise ConfigError(f"the model and the data set have different classes: {first_of(different)}")
