"""Validation during a run; keeps the best weights."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.data.sample import LabeledDataset, Sample, panoptic_ground_truth
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation, evaluate_part, merge
from bisenetformer_ros.images.draw import overlay
from bisenetformer_ros.images.panels import side_by_side, with_legend
from bisenetformer_ros.inference.segments import measure_regions
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.distributed import World, gather, wait_for_all
from bisenetformer_ros.training.observers import ValidationRecord
from bisenetformer_ros.training.weights import WeightsWriter

NUM_PICTURES = 4


class Validation:
    """Writes `latest.safetensors`, evaluates it as `bisenetformer evaluate` does, and copies the best one to
    `best.safetensors`: the one with the highest PQ, in the semantic task with the highest mIoU. Each process of `world`
    measures its share of the images, and all get the same figures; the main one writes.

    `directory` is the folder of the run, `last_iteration` that of the latest validation; `on_image` is called with the
    number of images done and in total.
    """

    def __init__(
        self,
        config: TrainingConfig,
        dataset: LabeledDataset,
        directory: Path,
        world: World,
        on_image: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self.config = config
        self.dataset = dataset
        self.directory = directory
        self.world = world
        self.on_image = on_image
        self.writer = WeightsWriter(config, dataset.labels)
        self.metric = "pq" if config.task == "panoptic" else "miou"
        self.best = -1.0
        self.last_iteration = 0

    def is_due(self, iteration: int, at_the_end: bool) -> bool:
        """Return whether to validate now: every `validate_every` iterations and at the end, once each."""
        return iteration > self.last_iteration and (iteration % self.config.validate_every == 0 or at_the_end)

    def measure(self, model: BiSeNetFormer, iteration: int) -> ValidationRecord:
        """Validate the weights that `model` has in the main process; pictures are drawn there alone."""
        latest = self.directory / "latest.safetensors"
        if self.world.is_main:
            self.writer.write(latest, model, iteration, {})
        wait_for_all()
        # Not what is measured as the fastest here: figures of a run and of its processes are to be comparable.
        precision = "fp32" if self.world.device.type == "cpu" else "fp16"
        segmenter = Segmenter(latest, engine="torch", device=str(self.world.device), precision=precision)
        indices = range(self.world.rank, len(self.dataset), self.world.size)
        part = evaluate_part(segmenter, self.dataset, indices, lambda done, _: self.on_image(done, len(indices)))
        evaluation = merge(gather(replace(part, tracking=None)), self.dataset.labels)
        figures = _figures(evaluation)
        if figures[self.metric] > self.best:
            self.best = figures[self.metric]
            best = self.directory / "best.safetensors"
            if self.world.is_main:
                self.writer.write(best, model, iteration, {"validation": without_nan(figures)})
        pictures = self._pictures(segmenter) if self.world.is_main else []
        return ValidationRecord(figures, _per_class(evaluation, self.dataset.labels), pictures)

    def _pictures(self, segmenter: Segmenter) -> list[tuple[str, np.ndarray]]:
        count = min(NUM_PICTURES, len(self.dataset))
        samples = [self.dataset[int(index)] for index in np.linspace(0, len(self.dataset) - 1, count)]
        results = [segmenter(sample.rgb) for sample in samples]
        labels = self.dataset.labels
        return [(s.name, draw_comparison(s, result, labels)) for s, result in zip(samples, results, strict=True)]

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


def _per_class(evaluation: DatasetEvaluation, labels: LabelMap) -> dict[str, dict[str, float]]:
    quality = evaluation.panoptic_quality
    per_class = {"iou": {label.name: float(evaluation.mean_iou.per_class_iou[label.id]) for label in labels}}
    return per_class if quality is None else per_class | {"pq": {x.name: quality.per_class[x.id].pq for x in labels}}


def draw_comparison(sample: Sample, result: SegmentationResult, labels: LabelMap) -> np.ndarray:
    """Draw image, ground truth and prediction side by side, with headings and a legend.

    Returns:
        (height, width, 3) uint8 RGB; the ground truth is drawn for the task of `result`.
    """
    truth = _as_result(sample, labels, panoptic=result.panoptic_map is not None)
    pictures = {
        "image": sample.rgb,
        "truth": overlay(sample.rgb, truth, labels),
        "prediction": overlay(sample.rgb, result, labels),
    }
    return with_legend(side_by_side(pictures), labels, truth.label_map, result.label_map)


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
