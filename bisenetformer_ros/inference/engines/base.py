"""The interface of every inference engine."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.results import SegmentationResult


class Engine(Protocol):
    """A network loaded on one device: camera frames in, segmentations out. Used by one thread at a time.

    Attributes:
        name: The engine, as in the parameter `engine`.
        device: "cpu", "cuda:0", …
        precision: "fp32", "bf16", "fp16" or "int8".
        task: One of `tasks.TASKS`, fixed when the engine was opened.
        frame_size: (height, width) of the only frames it accepts; None for any size.
        tunes_per_shape: Whether the first or second batch of a frame size and number takes seconds, in which it records
            or tunes.
        metadata: Of the model.
        warning: Why it is slower than this machine could be, and what to do; empty if it is not.
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
    def tunes_per_shape(self) -> bool: ...
    @property
    def metadata(self) -> ModelMetadata: ...
    @property
    def warning(self) -> str: ...

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """Segment a batch.

        Args:
            frames: B images (H, W, 3) uint8 RGB of one size.
            score_threshold: 0..1, for the panoptic task only.
            overlap_threshold: 0..1, for the panoptic task only.

        Returns:
            Results in the order of the frames, with `times_ms` per frame: the time of the batch divided by B. An engine
            whose graph does everything reports the graph's time as inference.

        Raises:
            InputError: For frames that are not such images.
            EngineError: For frames of a size that the engine was not made for.
            InferenceError: If it cannot run. Libraries raise errors of their own as well.
        """
        ...

    def release(self, frame_size: tuple[int, int]) -> None:
        """Free the memory held for frames of (height, width) `frame_size`, which may come again nevertheless."""
        ...
