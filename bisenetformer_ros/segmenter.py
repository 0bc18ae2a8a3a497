"""The public entry point: opens a model with an engine and segments images."""

from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import fraction
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.tasks import task_warning


class Segmenter:
    """Segments images with one loaded network. Not thread-safe.

    Attributes:
        engine: The open engine.
        score_threshold: 0..1; may be changed between calls.
        overlap_threshold: 0..1; may be changed between calls.
    """

    def __init__(
        self,
        path: str | Path,
        engine: str = "auto",
        task: str = "auto",
        device: str = "auto",
        precision: str = "auto",
        score_threshold: float = 0.8,
        overlap_threshold: float = 0.8,
    ) -> None:
        """Load a model.

        Args:
            path: Weights file, exported graph, TensorRT engine file or name of a model (docs/models.md).
            engine: "auto" (the fastest that works), "torch", "onnxruntime", "openvino" or "tensorrt".
            task: "semantic" (a class per pixel), "panoptic" (segments) or "auto" (that of the graph, or that for which
                the weights were trained).
            device: "auto" (the first GPU if there is one), "cpu", "cuda" or "cuda:N".
            precision: "auto", "fp32", "bf16", "fp16" or "int8"; docs/engines.md lists which engine takes which.
            score_threshold: 0..1. Panoptic: drop segments below this score.
            overlap_threshold: 0..1. Panoptic: drop segments of which less than this fraction stays visible.

        Raises:
            ModelError: For the model file.
            EngineError: If the engine cannot run the model here.
            ConfigError: For an unknown task, or a threshold outside 0..1.
        """
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold
        self.engine = open_engine(path, task, engine, device, precision)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("score_threshold", "overlap_threshold"):
            try:
                value = fraction(value)
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        super().__setattr__(name, value)

    @property
    def task(self) -> str:
        """Task of the engine, "semantic" or "panoptic"."""
        return self.engine.task

    @property
    def task_warning(self) -> str:
        """Why the results are poor if the weights were trained for another task, and what to do; else ""."""
        return task_warning(self.engine.task, self.engine.metadata.task)

    @property
    def labels(self) -> LabelMap:
        """Label map of the model."""
        return self.engine.metadata.labels

    def warm_up(self, image_size: tuple[int, int]) -> None:
        """Segment a grey image of (height, width), so that the first real one of this size is not slower than others.

        An engine for a single frame size is warmed up with that size instead.
        """
        for _ in range(2 if self.engine.tunes_per_shape else 1):
            self(np.full((*(self.engine.frame_size or image_size), 3), 128, np.uint8))

    def __call__(self, rgb: np.ndarray) -> SegmentationResult:
        """Segment an image.

        Args:
            rgb: (H, W, 3) uint8.

        Raises:
            InputError: For anything else, several images included.
            EngineError: For a frame size that the engine was not made for.
        """
        return self.engine.segment([rgb], self.score_threshold, self.overlap_threshold)[0]

    def track(self, max_missing: int = 10) -> "TrackingSegmenter":
        """Return a segmenter for the frames of one camera in which things keep their ids.

        Args:
            max_missing: Number of frames for which a lost track is kept, at least 0.
        """
        return TrackingSegmenter(self, Tracker(max_missing))


class TrackingSegmenter:
    """Segments the frames of one camera, in order, and tracks their things; see `Tracker`. Not thread-safe."""

    def __init__(self, segmenter: Segmenter, tracker: Tracker) -> None:
        self.segmenter = segmenter
        self.tracker = tracker

    def __call__(self, rgb: np.ndarray, stamp_s: float | None = None) -> SegmentationResult:
        """Segment the next frame; arguments and errors as of `Segmenter` and `Tracker.update`."""
        return self.tracker.update(self.segmenter(rgb), stamp_s)
