"""An engine for frames of any size, with faster ones for some sizes, which may come while it works."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.preprocess import check_frames
from bisenetformer_ros.results import SegmentationResult


class SeveralEngines:
    """Looks like one engine; `name`, `device` and `precision` are those of the engine that was used last."""

    _last: Engine

    @property
    def name(self) -> str:
        return self._last.name

    @property
    def device(self) -> str:
        return self._last.device

    @property
    def precision(self) -> str:
        return self._last.precision


class EngineByFrameSize(SeveralEngines):
    """An engine for all sizes, and others that are faster for one.

    frame_counts: (height, width) → how many frames of that size have come. not_taken: why faster engines were passed
    over when frames of a new size came last.
    """

    frame_size = None

    def __init__(
        self,
        general: Engine,
        find: Callable[[tuple[int, int]], tuple[Engine | None, list[str]]] = lambda frame_size: (None, []),
    ) -> None:
        """find: asked when the first frame of a size comes, which waits; it gives a faster engine, and `not_taken`."""
        self._general = self._last = general
        self._find = find
        self.not_taken: list[str] = []
        self._special: dict[tuple[int, int], Engine] = {}
        self.task, self.metadata = general.task, general.metadata
        self.frame_counts: Counter[tuple[int, int]] = Counter()

    def add(self, frame_size: tuple[int, int], engine: Engine) -> None:
        """From the next frames on, those of this size are for `engine`. To be called from any thread."""
        self._special = {**self._special, frame_size: engine}

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        size = check_frames(frames)
        if size not in self.frame_counts:
            found, self.not_taken = self._find(size)
            if found is not None:
                self.add(size, found)
        self._last = self._special.get(size, self._general)
        results = self._last.segment(frames, score_threshold, overlap_threshold)
        self.frame_counts[size] += len(frames)
        return results
