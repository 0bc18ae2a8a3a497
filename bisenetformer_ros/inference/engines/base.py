"""What every inference engine offers."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.results import SegmentationResult

TASKS = ("semantic", "panoptic")
"""semantic: a class for every pixel. panoptic: segments, which are instances of things, and one per stuff class."""


class Engine(Protocol):
    """A loaded network on one device: camera frames in, segmentations out; used by one thread at a time.

    name: as in the parameter `engine`. device: "cpu", "cuda:0", … precision: "fp32", "bf16", "fp16" or "int8".
    task: one of TASKS, fixed when the engine was opened. frame_size: (height, width) of the only frames that it takes,
    None for any.
    """

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def frame_size(self) -> tuple[int, int] | None: ...
    @property
    def metadata(self) -> ModelMetadata: ...

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """frames: B images (H, W, 3) uint8 RGB of one size. The thresholds are for the panoptic task alone.

        Results in the order of the frames, with `times_ms` per frame: what the batch took, divided by B. An engine
        whose graph does everything reports the graph as inference. Raises InputError for frames that are no such
        images, and EngineError where the engine was made for frames of another size.
        """
        ...
