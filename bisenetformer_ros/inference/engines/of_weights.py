"""A graph engine for a weights file: it runs the files that were made of the weights, one per size of frames."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.inference.engines import open_engine
from bisenetformer_ros.inference.engines.base import Engine
from bisenetformer_ros.inference.engines.by_frame_size import SeveralEngines
from bisenetformer_ros.inference.engines.openvino import check_device
from bisenetformer_ros.inference.engines.tensorrt.engine import cuda_device, load_tensorrt
from bisenetformer_ros.inference.engines.upgrades import graph_precision, plan_upgrade
from bisenetformer_ros.inference.graph.cache import newest_file
from bisenetformer_ros.inference.preprocess import check_frames
from bisenetformer_ros.results import SegmentationResult


class EngineOfWeights(SeveralEngines):
    """Looks like one engine: that of the latest frames, and before the first ones, that of the newest file.

    name: "onnxruntime", "openvino" or "tensorrt".
    Raises EngineError, with the command that makes it, where there is no file, or none for frames of a size.
    """

    def __init__(self, weights: Path, task: str, name: str, device: str, precision: str) -> None:
        self.task = task
        self._weights, self._device, self._precision = weights, device, precision
        _check_device(name, device)
        on_gpu = name == "tensorrt" or (name == "onnxruntime" and device != "cpu" and torch.cuda.is_available())
        self._kind = "cuda" if on_gpu else "cpu"
        suffix = ".engine" if name == "tensorrt" else ".onnx"
        newest = newest_file(weights, task, f"-{graph_precision(self._kind, precision)}{suffix}")
        if newest is None:
            upgrade = plan_upgrade(name, weights, task, self._kind, precision, (480, 640))
            raise EngineError(
                f"engine {name} has no file of {weights.name} for the {task} task; make one for the size (height x "
                f"width) of your frames: {upgrade.by_hand()}"
            )
        self._last = open_engine(newest, task, name, device, precision)
        self._engines = {self._last.frame_size: self._last}
        self.metadata = self._last.metadata

    @property
    def frame_size(self) -> tuple[int, int] | None:
        return self._last.frame_size

    def segment(
        self, frames: Sequence[np.ndarray], score_threshold: float, overlap_threshold: float
    ) -> list[SegmentationResult]:
        """See `Engine.segment`."""
        size = check_frames(frames)
        self._last = self._engines.get(size) or self._open(size)
        return self._last.segment(frames, score_threshold, overlap_threshold)

    def _open(self, frame_size: tuple[int, int]) -> Engine:
        upgrade = plan_upgrade(self.name, self._weights, self.task, self._kind, self._precision, frame_size)
        if not upgrade.path.is_file():
            raise EngineError(
                f"engine {self.name} has no file of {self._weights.name} for the {self.task} task and frames of "
                f"{'{}x{}'.format(*frame_size)} (height x width); make it: {upgrade.by_hand()}"
            )
        self._engines[frame_size] = open_engine(upgrade.path, self.task, self.name, self._device, self._precision)
        return self._engines[frame_size]


def _check_device(name: str, device: str) -> None:
    """Raises EngineError where an engine cannot run here: a file would not help."""
    if name == "tensorrt":
        load_tensorrt()
        cuda_device(device)
    if name == "openvino":
        check_device(device)
