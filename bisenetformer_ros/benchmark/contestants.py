"""Contestants: an engine with a model, to be opened in this process or another one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.opening import open_engine
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.results import SegmentationResult

SegmentFrame = Callable[[np.ndarray], SegmentationResult]
"""Maps (H, W, 3) uint8 RGB to a result with its stages' times."""


class Contestant(Protocol):
    """A small, picklable description; `open` loads the engine."""

    @property
    def name(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def semantic_order(self) -> SemanticOrder: ...

    def open(self) -> SegmentFrame: ...


@dataclass(frozen=True)
class EngineContestant:
    """An engine of this package.

    Attributes:
        model: Weights file, graph or engine file.
        thresholds: Of score and overlap, 0 to 1.
        semantic_order: Of PyTorch; a graph has its own built in.
    """

    model: Path
    task: str
    engine: str
    device: str
    precision: str
    thresholds: tuple[float, float]
    semantic_order: SemanticOrder = "full"

    @property
    def name(self) -> str:
        order = "" if self.semantic_order == "full" else f", {self.semantic_order}"
        return f"{self.engine} {self.precision}{order}"

    def open(self) -> SegmentFrame:
        """Load the engine. Raises EngineError if it cannot run here."""
        engine = self.open_engine()
        return lambda frame: engine.segment([frame], *self.thresholds)[0]

    def open_engine(self) -> Engine:
        if self.engine == "torch":
            return TorchEngine(self.model, self.task, self.device, self.precision, self.semantic_order)
        return open_engine(self.model, self.task, self.engine, self.device, self.precision)
