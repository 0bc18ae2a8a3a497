"""An engine for frames of any size, with faster ones for some sizes, which may come while it works."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from bisenetformer_ros.engines.base import Engine
from bisenetformer_ros.preprocess import check_frames
from bisenetformer_ros.results import SegmentationResult


class EngineByFrameSize:
    """Looks like one engine; `name`, `device` and `precision` are those of the engine that was used last.

    frame_counts: (height, width) → how many frames of that size have come.
    """

    def __init__(self, general: Engine) -> None:
        self._general = self._last = general
        self._special: dict[tuple[int, int], Engine] = {}
        self.task, self.metadata = general.task, general.metadata
        self.frame_counts: Counter[tuple[int, int]] = Counter()

    @property
    def name(self) -> str:
        return self._last.name

    @property
    def device(self) -> str:
        return self._last.device

    @property
    def precision(self) -> str:
        return self._last.precision

    def add(self, frame_size: tuple[int, int], engine: Engine) -> None:
        """From the next frames on, those of this size are for `engine`. To be called from any thread."""
        self._special = {**self._special, frame_size: engine}

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        size = check_frames(frames)
        self._last = self._special.get(size, self._general)
        results = self._last.segment(frames, score_threshold, overlap_threshold)
        self.frame_counts[size] += len(frames)
        return results
