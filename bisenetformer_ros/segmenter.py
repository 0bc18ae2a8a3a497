"""Preprocess, engine and postprocess in one call."""

from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from bisenetformer_ros.engines import open_engine
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.postprocess import postprocess_panoptic, postprocess_semantic
from bisenetformer_ros.preprocess import check_image, plan_geometry, preprocess
from bisenetformer_ros.results import ImageGeometry, SegmentationResult, StageTimes

TASKS = ("semantic", "panoptic")


class Segmenter:
    """Segments images with one loaded network; to be used by one thread at a time.

    path: a weights file, or the name of a shipped model. engine, device, precision: see `open_engine`.
    task: "semantic" (a class for every pixel) or "panoptic" (segments; see `postprocess_panoptic` for the thresholds,
    which may be changed between calls). engine, labels and task can be read.
    Raises ModelError for the weights, EngineError for the engine, ConfigError for an unknown task.
    """

    def __init__(
        self,
        path: str | Path,
        engine: str = "auto",
        task: str = "panoptic",
        device: str = "auto",
        precision: str = "auto",
        score_threshold: float = 0.8,
        overlap_threshold: float = 0.8,
    ) -> None:
        if task not in TASKS:
            raise ConfigError(f"unknown task '{task}', expected one of {', '.join(TASKS)}")
        self.task = task
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold
        self.engine = open_engine(path, engine, device, precision)

    @property
    def labels(self) -> LabelMap:
        return self.engine.metadata.labels

    def warm_up(self, image_size: tuple[int, int]) -> None:
        """Segments a grey image of (height, width), so that the first real one of this size takes no longer."""
        self(np.full((*image_size, 3), 128, np.uint8))

    def __call__(self, rgb: np.ndarray) -> SegmentationResult:
        """rgb: (H, W, 3) uint8, any size. Raises InputError for anything else."""
        start = perf_counter()
        check_image(rgb)
        metadata = self.engine.metadata
        geometry = plan_geometry(rgb.shape[:2], metadata.input_size)
        images = preprocess(rgb, geometry, metadata.pixel_mean)
        preprocessed = perf_counter()
        class_logits, mask_logits = self.engine.infer(images)
        if mask_logits.is_cuda:
            torch.cuda.synchronize(mask_logits.device)  # the GPU works on after the call: wait, to time it
        inferred = perf_counter()
        result = self._postprocess(class_logits[0], mask_logits[0], geometry)
        stages = (preprocessed - start, inferred - preprocessed, perf_counter() - inferred)
        return replace(result, times_ms=StageTimes(*(1e3 * seconds for seconds in stages)))

    def _postprocess(
        self, class_logits: torch.Tensor, mask_logits: torch.Tensor, geometry: ImageGeometry
    ) -> SegmentationResult:
        if self.task == "semantic":
            return postprocess_semantic(class_logits, mask_logits, geometry, self.labels)
        thresholds = (self.score_threshold, self.overlap_threshold)
        return postprocess_panoptic(class_logits, mask_logits, geometry, self.labels, *thresholds)
