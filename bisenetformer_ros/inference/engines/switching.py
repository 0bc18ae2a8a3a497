"""Several engines behind the interface of one: each frame size is served by the engine chosen for it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.capabilities import ENGINES
from bisenetformer_ros.inference.engines.ranking import fastest_first
from bisenetformer_ros.inference.preprocess import check_frames
from bisenetformer_ros.results import SegmentationResult


@dataclass(frozen=True)
class EngineChoice:
    """An engine, and why each faster one was passed over."""

    engine: Engine
    passed_over: tuple[str, ...] = ()


class SwitchingEngine:
    """Segments frames with the engine chosen for their size.

    `name`, `device` and `precision` are those of the engine that served the latest frames, before the first ones those
    of `first`.

    Attributes:
        choice: The choice for the latest frames.
        frame_counts: (height, width) → number of frames of that size so far.
    """

    def __init__(self, first: Engine, choose: Callable[[tuple[int, int]], EngineChoice] | None = None) -> None:
        """
        Args:
            first: Serves frames of its own `frame_size`; if that is None, of every size without a choice.
            choose: Chooses the engine when the first frame of a size arrives, which waits for it; default: `first`.
        """
        self.choice = EngineChoice(first)
        self.task, self.metadata, self.frame_size = first.task, first.metadata, first.frame_size
        self.frame_counts: Counter[tuple[int, int]] = Counter()
        self._choose = choose or (lambda frame_size: EngineChoice(first))
        self._first = first
        self._taken_over: list[tuple[int, int]] = []
        """Frame sizes for which the first engine may hold memory in vain."""
        self._choices = {first.frame_size: self.choice} if first.frame_size else {}

    @property
    def name(self) -> str:
        return self.choice.engine.name

    @property
    def device(self) -> str:
        return self.choice.engine.device

    @property
    def precision(self) -> str:
        return self.choice.engine.precision

    @property
    def warning(self) -> str:
        return self.choice.engine.warning

    @property
    def tunes_per_shape(self) -> bool:
        return self._first.tunes_per_shape

    def serve(self, frame_size: tuple[int, int], engine: Engine) -> None:
        """Give the next frames of this size to `engine`. Thread-safe."""
        self._choices[frame_size] = EngineChoice(engine)
        self._taken_over.append(frame_size)  # released by the thread that segments, which may be using it now

    def release(self, frame_size: tuple[int, int]) -> None:
        """See `Engine.release`."""
        self._first.release(frame_size)

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        size = check_frames(frames)
        while self._taken_over:
            self.release(self._taken_over.pop())
        if size not in self._choices:
            self._choices[size] = self._choose(size)
        self.choice = self._choices[size]
        results = self.choice.engine.segment(frames, score_threshold, overlap_threshold)
        self.frame_counts[size] += len(frames)
        return results


def explain_choice(engine: Engine) -> str:
    """Report which engine runs and, if it was chosen by `engine: auto`, why the others do not.

    For example "torch on cpu, bf16; openvino is not installed; slower here: onnxruntime; only for NVIDIA GPUs:
    tensorrt".
    """
    parts = [f"{engine.name} on {engine.device}, {engine.precision}"]
    if isinstance(engine, SwitchingEngine) and engine.frame_size is None:
        ranked = fastest_first(engine.task, engine.device)
        parts += engine.choice.passed_over
        if slower := ranked[ranked.index(engine.name) + 1 :]:
            parts.append(f"slower here: {', '.join(slower)}")
        if others := [name for name in ENGINES[1:] if name not in ranked]:
            parts.append(f"only for NVIDIA GPUs: {', '.join(others)}")
    return "; ".join(parts)
