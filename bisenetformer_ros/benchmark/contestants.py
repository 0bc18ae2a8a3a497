"""What is measured: an engine with a model, to be opened here or in another process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from bisenetformer_ros.inference.engines import open_engine
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.results import SegmentationResult

Segment = Callable[[np.ndarray], SegmentationResult]
"""(H, W, 3) uint8 RGB → result with its stages' times."""


class Contestant(Protocol):
    """Small and picklable; what is heavy comes with `open`."""

    @property
    def name(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def semantic_order(self) -> SemanticOrder: ...

    def open(self) -> Segment: ...


@dataclass(frozen=True)
class EngineContestant:
    """model: a weights file, or what else the engine runs. semantic_order: of PyTorch; a graph has its own in it."""

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

    def open(self) -> Segment:
        """Raises EngineError where the engine cannot run."""
        engine = self.open_engine()
        return lambda frame: engine.segment([frame], *self.thresholds)[0]

    def open_engine(self) -> Engine:
        if self.engine == "torch":
            return TorchEngine(self.model, self.task, self.device, self.precision, self.semantic_order)
        return open_engine(self.model, self.task, self.engine, self.device, self.precision)
