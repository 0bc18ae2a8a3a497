"""The segmentation node with an engine that sleeps: `sleeping_node.py HEIGHT WIDTH INFERENCE_MS --ros-args …`.

Everything else is the real node. It publishes the same result for every frame, that of a generated street.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.results import UNLABELED, Segment, SegmentationResult, StageTimes
from bisenetformer_ros.ros.node.segmentation_node import main as run_node
from bisenetformer_ros.streets import StreetDrive


class SleepingEngine:
    """Takes `inference_ms` per frame without using the CPU."""

    name, device, precision, task, frame_size, warning = "sleep", "cpu", "none", "panoptic", None, ""
    tunes_per_shape = False

    def __init__(self, frame_size: tuple[int, int], inference_ms: float) -> None:
        self.metadata = ModelMetadata("street", {}, LabelMap.load("camvid11"))
        self._inference_ms = inference_ms
        self._result = street_result(frame_size, self.metadata.labels, StageTimes(0.0, 0.0, 0.0))

    def segment(self, frames: Sequence[np.ndarray], *_: float) -> list[SegmentationResult]:
        begin = time.perf_counter()
        time.sleep(1e-3 * self._inference_ms * len(frames))
        slept_ms = 1e3 * (time.perf_counter() - begin) / len(frames)  # sleeping takes a little longer than requested
        return [replace(self._result, times_ms=StageTimes(0.0, slept_ms, 0.0))] * len(frames)

    def release(self, frame_size: tuple[int, int]) -> None:
        """Hold no memory."""


class SleepingSegmenter:
    """The part of Segmenter that the node uses."""

    task_warning = ""

    def __init__(self, engine: SleepingEngine) -> None:
        self.engine, self.labels, self.task = engine, engine.metadata.labels, engine.task

    def warm_up(self, _: tuple[int, int]) -> None:
        """Do nothing."""


def street_result(frame_size: tuple[int, int], labels: LabelMap, times: StageTimes) -> SegmentationResult:
    """Return the ground truth of a generated street as a result."""
    frame = StreetDrive(seed=0, num_frames=1, size=frame_size)[0]
    panoptic_map = np.zeros(frame_size, np.uint16)
    segments = []
    keys = frame.label_map.astype(np.int32) * 65536 + frame.instance_map
    for key in np.unique(keys[frame.label_map != UNLABELED]):
        mask = keys == key
        rows, columns = np.nonzero(mask)
        label = labels[int(key) // 65536]
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        centroid = (float(columns.mean()), float(rows.mean()))
        segments.append(Segment(len(segments) + 1, label.id, label.name, label.is_thing, 0.9, len(rows), box, centroid))
        panoptic_map[mask] = len(segments)
    confidence = np.full(frame_size, 200, np.uint8)
    return SegmentationResult(frame.label_map, confidence, panoptic_map, tuple(segments), times)


def main() -> int:
    keep_freed_memory()  # as PyTorch's engine does
    height, width, inference_ms = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    segmenter: Any = SleepingSegmenter(SleepingEngine((height, width), inference_ms))
    return run_node(sys.argv[4:], open_segmenter=lambda *_, **__: segmenter)


if __name__ == "__main__":
    sys.exit(main())
