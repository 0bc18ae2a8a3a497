"""Evaluation of a segmenter on a labelled data set."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np

from bisenetformer_ros.data.sample import LabeledDataset, Sample
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.evaluation.quality import QualityMeter, TrackingMeter, mean_iou_figures
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.latency import LatencySummary, summarize
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import (
    PanopticQuality,
    PanopticQualityResult,
    SegmentMatches,
    image_pq,
)
from bisenetformer_ros.metrics.video_quality import VideoQualityResult
from bisenetformer_ros.numbers import first_of, without_nan
from bisenetformer_ros.results import STAGES, StageTimes
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class ImageScore:
    """Measurements of one image.

    Attributes:
        name: Name in the data set.
        miou: Mean IoU over the classes in this image, 0..1; nan without labelled pixels.
        pq: PQ over the classes in this image, 0..1; nan without segments, None for the semantic task.
        matches: Matched segments; None for the semantic task.
        times_ms: None if the engine does not measure them.
    """

    name: str
    miou: float
    pq: float | None
    matches: SegmentMatches | None
    times_ms: StageTimes | None


@dataclass(frozen=True, eq=False)
class DatasetEvaluation:
    """Measurements of a data set.

    Attributes:
        mean_iou: Of the label maps.
        panoptic_quality: None for the semantic task.
        images: In the order of the data set.
        tracking: Of the things in its videos; None without videos or for the semantic task.
    """

    mean_iou: MeanIoUResult
    panoptic_quality: PanopticQualityResult | None
    images: Sequence[ImageScore]
    tracking: VideoQualityResult | None

    @property
    def latency(self) -> LatencySummary:
        """Latency of all stages together."""
        return self.latencies()["total"]

    def latencies(self) -> dict[str, LatencySummary]:
        """Summarize each stage and `total`, their sum."""
        times = [vars(image.times_ms) for image in self.images if image.times_ms is not None]
        stages = {stage: summarize(of_image[stage] for of_image in times) for stage in STAGES}
        return stages | {"total": summarize(sum(of_image.values()) for of_image in times)}

    def scores(self) -> list[float | None]:
        """Return the PQ of each image, or its mIoU for the semantic task; None for an image without labels."""
        scores = [image.miou if image.pq is None else image.pq for image in self.images]
        return [None if math.isnan(score) else score for score in scores]

    def ranked(self) -> list[int]:
        """Return the positions of the images that have a score, worst first."""
        scored = [(score, index) for index, score in enumerate(self.scores()) if score is not None]
        return [index for _, index in sorted(scored)]

    def to_dict(self, labels: LabelMap) -> dict[str, Any]:
        """Return plain JSON types; shares of 0..1, null for a class that does not occur (0 in panopticapi's part)."""
        content: dict[str, Any] = {
            "num_images": len(self.images),
            **mean_iou_figures(self.mean_iou, labels),
            "frame_ms": vars(self.latency),
            "stage_ms": {name: vars(summary) for name, summary in self.latencies().items() if name != "total"},
            "images": {image.name: {"miou": image.miou, "pq": image.pq} for image in self.images},
        }
        if self.panoptic_quality is not None:
            content |= self.panoptic_quality.to_dict()
        if self.tracking is not None:
            content["tracking"] = self.tracking.to_dict()
        return without_nan(content)


@dataclass(frozen=True, eq=False)
class PartialEvaluation:
    """Measurements of some images of a data set.

    Attributes:
        images: Position in the data set → measurements.
        confusion: As in `MeanIoUResult`, of these images.
        tracking: As in `DatasetEvaluation`; only of use if all images are there.
    """

    images: Mapping[int, ImageScore]
    confusion: np.ndarray
    tracking: VideoQualityResult | None


def evaluate(
    segmenter: Segmenter, dataset: LabeledDataset, on_image: Callable[[int, float], None] = lambda count, miou: None
) -> DatasetEvaluation:
    """Segment all images of a data set and compare the results with its labels.

    Args:
        segmenter: Model.
        dataset: Labelled images.
        on_image: Called after each image with the number of images done and the mean IoU so far.

    Raises:
        ConfigError: The model and the data set have different classes.
        DataError: Labels and image differ in size.
    """
    part = evaluate_part(segmenter, dataset, range(len(dataset)), on_image)
    return replace(merge([part], dataset.labels), tracking=part.tracking)


def evaluate_part(
    segmenter: Segmenter,
    dataset: LabeledDataset,
    indices: Sequence[int],
    on_image: Callable[[int, float], None] = lambda count, miou: None,
) -> PartialEvaluation:
    """Like `evaluate`, for the images at some positions of the data set."""
    _check_classes(segmenter.labels, dataset.labels)
    quality, tracks = QualityMeter(dataset.labels), TrackingMeter(dataset.labels, Tracker())
    images: dict[int, ImageScore] = {}
    for index, sample in zip(
        indices, read_samples(dataset, indices, ahead=segmenter.engine.device != "cpu"), strict=True
    ):
        result = segmenter(sample.rgb)
        instance_map = None if result.panoptic_map is None else sample.instance_map
        score = quality.update(sample.name, result, sample.label_map, instance_map)
        if sample.video and instance_map is not None:
            tracks.update(result, (sample.label_map, instance_map), sample.video)
        pq = None if score.matches is None else image_pq(score.matches, dataset.labels)
        images[index] = ImageScore(sample.name, score.miou, pq, score.matches, result.times_ms)
        on_image(len(images), quality.mean_iou.miou)
    return PartialEvaluation(images, quality.mean_iou.confusion, tracks.result())


def merge(parts: Sequence[PartialEvaluation], labels: LabelMap) -> DatasetEvaluation:
    """Merge the parts of a data set into what `evaluate` measures, with the same bits; without tracking."""
    by_index = {index: image for part in parts for index, image in part.images.items()}
    images = tuple(by_index[index] for index in sorted(by_index))
    mean_iou = MeanIoUResult.of(np.sum([part.confusion for part in parts], axis=0))
    matches = [image.matches for image in images if image.matches is not None]
    quality = PanopticQuality(labels)
    for of_image in matches:
        quality.add(of_image)
    return DatasetEvaluation(mean_iou, quality.result() if matches else None, images, tracking=None)


def read_samples(dataset: LabeledDataset, indices: Iterable[int], ahead: bool) -> Iterator[Sample]:
    """Yield samples; `ahead`: read the next one in a thread meanwhile, which is not worth it beside a network that
    computes on the CPU and whose latency is measured."""
    if not ahead:
        yield from (dataset[index] for index in indices)
        return
    with ThreadPoolExecutor(max_workers=1) as pool:
        upcoming: deque[Future[Sample]] = deque()
        for index in indices:
            upcoming.append(pool.submit(dataset.__getitem__, index))
            if len(upcoming) > 1:
                yield upcoming.popleft().result()
        while upcoming:
            yield upcoming.popleft().result()


def _check_classes(model: LabelMap, dataset: LabelMap) -> None:
    names = zip_longest((label.name for label in model), (label.name for label in dataset), fillvalue="missing")
    different = [
        f"{i} is {name} in the model and {true} in the data" for i, (name, true) in enumerate(names) if name != true
    ]
    if different:
        raise ConfigError(f"the model and the data set have different classes: {first_of(different)}")
