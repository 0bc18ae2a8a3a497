"""Validation during a run; keeps the best weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bisenetformer_ros.data.sample import LabeledDataset, Sample, panoptic_ground_truth
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation, evaluate
from bisenetformer_ros.images.draw import overlay
from bisenetformer_ros.inference.segments import measure_regions
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.observers import Pictures
from bisenetformer_ros.training.weights import WeightsWriter

NUM_PICTURES = 4
_GAP = 4


class Validation:
    """Writes `latest.safetensors`, evaluates it as `bisenetformer evaluate` does, and copies the best one to
    `best.safetensors`: the one with the highest PQ, in the semantic task with the highest mIoU.

    `directory` is the folder of the run, `last_iteration` that of the latest validation; `on_image` is called with the
    number of images done and in total.
    """

    def __init__(
        self,
        config: TrainingConfig,
        dataset: LabeledDataset,
        directory: Path,
        device: torch.device,
        on_image: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.directory = directory
        self.device = device
        self.on_image = on_image
        self.writer = WeightsWriter(config, dataset.labels)
        self.metric = "pq" if config.task == "panoptic" else "miou"
        self.best = -1.0
        self.last_iteration = 0

    def is_due(self, iteration: int, at_the_end: bool) -> bool:
        """Return whether to validate now: every `validate_every` iterations and at the end, once each."""
        return iteration > self.last_iteration and (iteration % self.config.validate_every == 0 or at_the_end)

    def measure(self, model: BiSeNetFormer, iteration: int) -> tuple[dict[str, float], Pictures]:
        """Validate the weights of `model`.

        Returns:
            Metrics in 0..1, and images with ground truth and prediction beside them.
        """
        latest = self.directory / "latest.safetensors"
        self.writer.write(latest, model, iteration, {})
        segmenter = Segmenter(latest, device=str(self.device))
        evaluation = evaluate(segmenter, self.dataset, lambda done, _: self.on_image(done, len(self.dataset)))
        figures = _figures(evaluation)
        if figures[self.metric] > self.best:
            self.best = figures[self.metric]
            best = self.directory / "best.safetensors"
            self.writer.write(best, model, iteration, {"validation": without_nan(figures)})
        return figures, self._pictures(segmenter)

    def _pictures(self, segmenter: Segmenter) -> Pictures:
        count = min(NUM_PICTURES, len(self.dataset))
        samples = [self.dataset[int(index)] for index in np.linspace(0, len(self.dataset) - 1, count)]
        return [(sample.name, side_by_side(sample, segmenter(sample.rgb), self.dataset.labels)) for sample in samples]

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "last_iteration": self.last_iteration}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.last_iteration = state["best"], state["last_iteration"]


def _figures(evaluation: DatasetEvaluation) -> dict[str, float]:
    figures = {"miou": evaluation.mean_iou.miou, "pixel_accuracy": evaluation.mean_iou.pixel_accuracy}
    if evaluation.panoptic_quality is not None:
        quality = evaluation.panoptic_quality
        figures |= {"pq": quality.all.pq, "sq": quality.all.sq, "rq": quality.all.rq}
        figures |= {"pq_things": quality.things.pq, "pq_stuff": quality.stuff.pq}
    return figures


def side_by_side(sample: Sample, result: SegmentationResult, labels: LabelMap) -> np.ndarray:
    """Draw image, ground truth and prediction from left to right.

    Returns:
        (H, 3·W + gaps, 3) uint8 RGB; the ground truth is drawn for the task of `result`.
    """
    truth = _as_result(sample, labels, panoptic=result.panoptic_map is not None)
    gap = np.full((sample.rgb.shape[0], _GAP, 3), 255, np.uint8)
    pictures = (sample.rgb, gap, overlay(sample.rgb, truth, labels), gap, overlay(sample.rgb, result, labels))
    return np.concatenate(pictures, axis=1)


def _as_result(sample: Sample, labels: LabelMap, panoptic: bool) -> SegmentationResult:
    certain = np.full(sample.label_map.shape, 255, np.uint8)
    if not panoptic:
        return SegmentationResult(sample.label_map, certain)
    segment_map, classes, _ = panoptic_ground_truth(sample.label_map, sample.instance_map, labels)
    panoptic_map = segment_map.astype(np.uint16)
    regions = measure_regions(panoptic_map, len(classes))
    segments = [
        Segment(segment_id, class_id, labels[class_id].name, labels[class_id].is_thing, 1.0, **vars(region))
        for (segment_id, class_id), region in zip(classes.items(), regions, strict=True)
    ]
    return SegmentationResult(sample.label_map, certain, panoptic_map, tuple(segments))
