"""3D boxes of the things in a frame's result, compared with the true ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bisenetformer_ros.geometry.boxes import Box, find_box
from bisenetformer_ros.geometry.pinhole import Pinhole
from bisenetformer_ros.images.frame_geometry import FrameGeometry
from bisenetformer_ros.metrics.overlap import count_overlap
from bisenetformer_ros.results import Segment, SegmentationResult

MIN_PIXELS = 100
"""True things of which less is visible are not counted."""
MIN_IOU = 0.5
"""A thing is found by the segment of its class whose mask has a larger IoU with its own."""


@dataclass(frozen=True, eq=False)
class FrameBoxes:
    """Boxes of one frame, in the axes of the optical frame.

    Attributes:
        stamp: Stamp of the frame in ns.
        view: x / z at the left and at the right edge of the image.
        estimated: The things of the result that have depth.
        true: (N,) BOX, the things that are visible.
        errors: Id of every counted thing → distance between the centres of the estimated and of the true box, as a
            fraction of the true one's distance from the camera; None if the thing was not found.
    """

    stamp: int
    view: tuple[float, float]
    estimated: Sequence[tuple[Segment, Box]]
    true: np.ndarray
    errors: Mapping[int, float | None]


@dataclass(frozen=True, eq=False)
class BoxScores:
    """Boxes of all compared frames."""

    frames: Sequence[FrameBoxes]

    @property
    def num_things(self) -> int:
        """Number of true things, counted in every frame."""
        return sum(len(frame.errors) for frame in self.frames)

    @property
    def num_found(self) -> int:
        return len(self._errors())

    @property
    def median_error(self) -> float:
        """Median of `FrameBoxes.errors` over the things found; nan if there are none."""
        errors = self._errors()
        return float(np.median(errors)) if errors else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "frames": len(self.frames),
            "things": self.num_things,
            "found": self.num_found,
            "median_center_error": self.median_error,
        }

    def _errors(self) -> list[float]:
        return [error for frame in self.frames for error in frame.errors.values() if error is not None]


def compare_boxes(
    stamp: int, result: SegmentationResult, instance_map: np.ndarray, geometry: FrameGeometry | None
) -> FrameBoxes | None:
    """Estimate the boxes of the things in a result as the projection node does, from the true depth, and compare them.

    Args:
        stamp: Stamp of the frame in ns.
        result: The result of the frame.
        instance_map: (H, W) true instance ids, 0 = none.
        geometry: Of the frame.

    Returns:
        None for a semantic result, or without depth or true boxes.
    """
    if result.panoptic_map is None or geometry is None or geometry.depth is None or geometry.boxes is None:
        return None
    depth = np.where(np.isfinite(geometry.depth), geometry.depth, np.nan)
    (fx, _, cx), (_, fy, cy), _ = geometry.matrix.tolist()
    rays = Pinhole(fx, fy, cx, cy).rays(depth.shape)
    boxes = [
        (segment, find_box(result.panoptic_map == segment.id, depth, rays))
        for segment in result.segments
        if segment.is_thing
    ]
    estimated = [(segment, box) for segment, box in boxes if box is not None]
    true = geometry.boxes[np.isin(geometry.boxes["id"], instance_map)]
    view = float(rays[0][0]), float(rays[0][-1])
    errors = _center_errors(result.panoptic_map, estimated, instance_map, true)
    return FrameBoxes(stamp, view, estimated, true, errors)


def _center_errors(
    panoptic_map: np.ndarray, estimated: Sequence[tuple[Segment, Box]], instance_map: np.ndarray, true: np.ndarray
) -> dict[int, float | None]:
    """See `FrameBoxes.errors`."""
    overlap = count_overlap(panoptic_map, [segment.id for segment, _ in estimated], instance_map, true["id"].tolist())
    shared = overlap.shared[1:, 1:]
    iou = shared / (overlap.pred_areas[:, None] + overlap.gt_areas - shared)
    errors: dict[int, float | None] = {}
    for column, thing in enumerate(true):
        if overlap.gt_areas[column] < MIN_PIXELS:
            continue
        matches = (
            box
            for row, (segment, box) in enumerate(estimated)
            if segment.class_id == thing["class_id"] and iou[row, column] > MIN_IOU
        )
        box = next(matches, None)
        distance = np.linalg.norm(thing["center"])
        errors[int(thing["id"])] = (
            None if box is None else float(np.linalg.norm(box.center - thing["center"]) / distance)
        )
    return errors
