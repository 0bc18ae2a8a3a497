"""Runs a segmenter over a labelled data set and measures what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bisenetformer_ros.data.sample import LabeledDataset, panoptic_ground_truth
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.evaluation.latency import LatencySummary, LatencyWindow
from bisenetformer_ros.evaluation.mean_iou import MeanIoU, MeanIoUResult
from bisenetformer_ros.evaluation.panoptic_quality import PanopticQuality, PanopticQualityResult
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True, eq=False)
class DatasetEvaluation:
    """mean_iou: of `label_map`. panoptic_quality: None for the semantic task. latency: of whole frames."""

    num_images: int
    mean_iou: MeanIoUResult
    panoptic_quality: PanopticQualityResult | None
    latency: LatencySummary

    def to_dict(self, labels: LabelMap) -> dict[str, Any]:
        """Plain JSON types; shares of 0..1."""
        content: dict[str, Any] = {
            "num_images": self.num_images,
            "miou": self.mean_iou.miou,
            "pixel_accuracy": self.mean_iou.pixel_accuracy,
            "iou": {label.name: float(self.mean_iou.per_class_iou[label.id]) for label in labels.labels},
            "frame_ms": vars(self.latency),
        }
        if self.panoptic_quality is not None:
            quality = self.panoptic_quality
            content |= {"All": vars(quality.all), "Things": vars(quality.things), "Stuff": vars(quality.stuff)}
            content["per_class"] = {str(index): vars(of_class) for index, of_class in enumerate(quality.per_class)}
        return content


def evaluate(
    segmenter: Segmenter, dataset: LabeledDataset, on_image: Callable[[int, float], None] = lambda count, miou: None
) -> DatasetEvaluation:
    """on_image receives the number of images done and the mIoU so far.

    Raises ConfigError when the model and the data set have different classes.
    """
    names = [label.name for label in segmenter.labels.labels]
    expected = [label.name for label in dataset.labels.labels]
    if names != expected:
        raise ConfigError(f"the model knows the classes {', '.join(names)}; the data set has {', '.join(expected)}")
    iou, quality, latency = MeanIoU(len(names)), PanopticQuality(dataset.labels), LatencyWindow(len(dataset))
    for index in range(len(dataset)):
        sample = dataset[index]
        result = segmenter(sample.rgb)
        iou.update(result.label_map, sample.label_map)
        if result.panoptic_map is not None:
            found = {segment.id: segment.class_id for segment in result.segments}
            truth = panoptic_ground_truth(sample.label_map, sample.instance_map, dataset.labels)
            quality.update(result.panoptic_map, found, *truth)
        if result.times_ms is not None:
            latency.add(result.times_ms.preprocess + result.times_ms.inference + result.times_ms.postprocess)
        on_image(index + 1, iou.result().miou)
    panoptic = quality.result() if segmenter.task == "panoptic" else None
    return DatasetEvaluation(len(dataset), iou.result(), panoptic, latency.summary())
