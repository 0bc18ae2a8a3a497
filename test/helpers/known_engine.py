"""An engine whose speed and result are known."""

from collections.abc import Callable, Sequence

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.results import SegmentationResult


class Clock:
    """A clock that only engines advance."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


class KnownEngine:
    """Takes `seconds` for every call; the first `wrong` of 1000 labels are 1, the others 0."""

    device, task, warning = "cpu", "semantic", ""
    frame_size = None
    tunes_per_shape = False
    metadata = ModelMetadata("known", {"name": "none"}, LabelMap.load("camvid11"))

    def __init__(
        self,
        name: str,
        precision: str,
        seconds: Sequence[float],
        wait: Callable[[float], None],
        wrong: int = 0,
        error: Exception | None = None,
    ) -> None:
        """
        Args:
            name, precision: As of `Engine`.
            seconds: Times of the calls; the last one is repeated.
            wait: Lets the time pass.
            wrong: See above.
            error: Raised by every call.
        """
        self.name, self.precision, self.calls = name, precision, 0
        self._seconds, self._wait, self._wrong, self._error = seconds, wait, wrong, error

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        self._wait(self._seconds[min(self.calls, len(self._seconds) - 1)])
        self.calls += 1
        if self._error:
            raise self._error
        return [self._result(frame.shape[:2]) for frame in frames]

    def release(self, frame_size: tuple[int, int]) -> None:
        """Holds nothing."""

    def _result(self, size: tuple[int, int]) -> SegmentationResult:
        label_map = np.zeros(size, np.uint8)
        label_map.ravel()[: label_map.size * self._wrong // 1000] = 1
        return SegmentationResult(label_map, np.full(size, 255, np.uint8))
