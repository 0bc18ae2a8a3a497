"""The public face of segmentation: a model, opened with an engine, called with images."""

from pathlib import Path

import numpy as np

from bisenetformer_ros.inference.engines import open_engine
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult


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
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold
        self.engine = open_engine(path, task, engine, device, precision)

    @property
    def task(self) -> str:
        return self.engine.task

    @property
    def labels(self) -> LabelMap:
        return self.engine.metadata.labels

    def warm_up(self, image_size: tuple[int, int]) -> None:
        """Segments a grey image of (height, width), so that the first real one of this size takes no longer.

        An engine that takes one size alone is warmed up with that.
        """
        self(np.full((*(self.engine.frame_size or image_size), 3), 128, np.uint8))

    def __call__(self, rgb: np.ndarray) -> SegmentationResult:
        """rgb: (H, W, 3) uint8. Raises InputError for anything else, EngineError for a size the engine is not for."""
        return self.engine.segment([rgb], self.score_threshold, self.overlap_threshold)[0]
