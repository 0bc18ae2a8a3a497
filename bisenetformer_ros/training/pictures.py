"""What a network sees, beside the truth: pictures tell more of a run than its loss."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.data.sample import Sample, panoptic_ground_truth
from bisenetformer_ros.images.draw import overlay
from bisenetformer_ros.inference.regions import measure_regions
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.training.observer import Pictures

_GAP = 4


class PictureFolder:
    """Writes the pictures of every validation into a folder of its own: iteration_004000/NAME.png."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        pass

    def on_validation(self, iteration: int, figures: Mapping[str, float], pictures: Pictures) -> None:
        folder = self.directory / f"iteration_{iteration:06d}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, rgb in pictures:
            _, png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            (folder / f"{name}.png").write_bytes(png)


def side_by_side(sample: Sample, result: SegmentationResult, labels: LabelMap) -> np.ndarray:
    """Image, truth and `result`, from left to right, (H, 3·W + gaps, 3) uint8 RGB; the truth in the result's task."""
    truth = _as_result(sample, labels, panoptic=result.panoptic_map is not None)
    gap = np.full((sample.rgb.shape[0], _GAP, 3), 255, np.uint8)
    pictures = (sample.rgb, gap, overlay(sample.rgb, truth, labels), gap, overlay(sample.rgb, result, labels))
    return np.concatenate(pictures, axis=1)


def _as_result(sample: Sample, labels: LabelMap, panoptic: bool) -> SegmentationResult:
    certain = np.full(sample.label_map.shape, 255, np.uint8)
    if not panoptic:
        return SegmentationResult(sample.label_map, certain)
    segment_map, classes, _ = panoptic_ground_truth(sample.label_map, sample.instance_map, labels)
    panoptic_map = segment_map.astype(np.uint16)
    segments = [
        Segment(segment_id, class_id, labels[class_id].name, labels[class_id].is_thing, 1.0, **vars(region))
        for (segment_id, class_id), region in zip(
            classes.items(), measure_regions(panoptic_map, len(classes)), strict=True
        )
    ]
    return SegmentationResult(sample.label_map, certain, panoptic_map, tuple(segments))
