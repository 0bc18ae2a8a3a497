"""Measures the weights of a run on images that it does not learn from, and keeps the best."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation, evaluate
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.numbers import without_nan
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.observer import Pictures
from bisenetformer_ros.training.pictures import side_by_side
from bisenetformer_ros.training.weights import WeightsWriter

NUM_PICTURES = 4


class Validation:
    """Writes `latest.safetensors` and measures that file as `bisenetformer evaluate` does; copies the best one to
    `best.safetensors`. The best has the highest PQ, in the semantic task the highest mIoU.

    last_iteration: of the newest validation. on_image receives how many images of how many are done.
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
        """Every `validate_every` iterations and at the end, once each."""
        return iteration > self.last_iteration and (iteration % self.config.validate_every == 0 or at_the_end)

    def measure(self, model: BiSeNetFormer, iteration: int) -> tuple[dict[str, float], Pictures]:
        """Shares of 0..1, and images with truth and prediction beside them."""
        latest = self.directory / "latest.safetensors"
        self.writer.write(latest, model, iteration, {})
        segmenter = Segmenter(latest, task=self.config.task, device=str(self.device))
        evaluation = evaluate(segmenter, self.dataset, lambda done, _: self.on_image(done, len(self.dataset)))
        figures = _figures(evaluation)
        if figures[self.metric] > self.best:
            self.best = figures[self.metric]
            self.writer.write(
                self.directory / "best.safetensors", model, iteration, {"validation": without_nan(figures)}
            )
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
