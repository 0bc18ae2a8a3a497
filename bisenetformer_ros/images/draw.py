"""Visualization of segmentation results."""

from collections.abc import Sequence

import cv2
import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED, Segment, SegmentationResult

_WHITE = np.full(3, 255.0)
_GOLDEN_RATIO = 0.61803398875
FONT = cv2.FONT_HERSHEY_DUPLEX


def colorize(label_map: np.ndarray, labels: LabelMap, out: np.ndarray | None = None) -> np.ndarray:
    """Paint (H, W) uint8 class ids in their class colours: (H, W, 3) uint8 RGB, written to `out` if given.

    Unlabeled pixels are black.
    """
    return cv2.applyColorMap(label_map, labels.palette[:, None], dst=out)  # a third of the time of np.take


def overlay(
    rgb: np.ndarray,
    result: SegmentationResult,
    labels: LabelMap,
    alpha: float = 0.5,
    out: np.ndarray | None = None,
    with_ids: bool = False,
) -> np.ndarray:
    """Blend class colours into an image; things get an outline and a shade that their id determines.

    Args:
        rgb: (H, W, 3) uint8, the image that `result` belongs to. Its unlabeled pixels stay as they are.
        result: Semantic or panoptic.
        labels: The label map of `result`.
        alpha: 0 (image only) to 1 (colours only).
        out: (H, W, 3) uint8 array to draw into.
        with_ids: Whether to write class name and id on the things that have room for it.

    Returns:
        (H, W, 3) uint8 RGB; `out` if given.
    """
    colors = colorize(result.label_map, labels)
    things = [segment for segment in result.segments if segment.is_thing]
    if result.panoptic_map is not None:
        _shade_things(colors, result.panoptic_map, things, labels)
    blended = cv2.addWeighted(rgb, 1 - alpha, colors, alpha, 0, dst=out)
    cv2.copyTo(rgb, (result.label_map == UNLABELED).view(np.uint8), blended)
    if result.panoptic_map is not None:
        _outline_things(blended, result.panoptic_map, things, labels, scratch=colors)
        if with_ids:
            _write_names(blended, result.panoptic_map, things, labels, with_ids=True)
    return blended


def font_scale(rgb: np.ndarray) -> float:
    """Return the scale of `FONT` for texts in and around a picture, (H, W, 3)."""
    return max(0.35, min(rgb.shape[:2]) / 1000)


def draw_names(rgb: np.ndarray, result: SegmentationResult, labels: LabelMap, with_ids: bool = False) -> np.ndarray:
    """Return a copy of `rgb` with the class name on every segment that has room for it; no names for semantic results.

    Larger segments come first; a name that would cover another one is omitted. `with_ids` adds the ids of things.
    """
    canvas = rgb.copy()
    if result.panoptic_map is not None:
        _write_names(canvas, result.panoptic_map, result.segments, labels, with_ids)
    return canvas


def _write_names(
    canvas: np.ndarray, panoptic_map: np.ndarray, segments: Sequence[Segment], labels: LabelMap, with_ids: bool
) -> None:
    scale = font_scale(canvas)
    taken = np.zeros(canvas.shape[:2], bool)
    for segment in sorted(segments, key=lambda segment: -segment.area):
        name = f"{segment.class_name} {segment.id}" if with_ids and segment.is_thing else segment.class_name
        (width, height), baseline = cv2.getTextSize(name, FONT, scale, 1)
        margin = max(2, round(6 * scale))
        size = np.array([width + 2 * margin, height + baseline + 2 * margin])
        inside = _innermost_pixel(panoptic_map, segment)
        left, top = np.clip(inside - size // 2, 0, np.maximum(0, taken.shape[::-1] - size)).tolist()
        right, bottom = left + int(size[0]), top + int(size[1])
        if segment.area < size.prod() or taken[top:bottom, left:right].any():
            continue
        taken[top:bottom, left:right] = True
        color = labels[segment.class_id].color
        canvas[top:bottom, left:right] = canvas[top:bottom, left:right] // 4
        cv2.rectangle(canvas, (left, top), (left + max(1, margin // 2), bottom - 1), color, cv2.FILLED)
        position = (left + margin + 1, bottom - margin - baseline)
        cv2.putText(canvas, name, position, FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _shade_things(canvas: np.ndarray, panoptic_map: np.ndarray, things: Sequence[Segment], labels: LabelMap) -> None:
    """Paint every thing up to 40 % lighter than its class, neighbouring ids apart.

    Box by box, as tracks have ids beyond the 256 colours of a fast table.
    """
    for thing in things:
        box = _pixels(thing)
        mask = (panoptic_map[box] == thing.id).view(np.uint8)
        shade = _lighten(labels[thing.class_id].color, 0.4 * (thing.id * _GOLDEN_RATIO % 1))
        cv2.copyTo(np.full((*mask.shape, 3), shade), mask, canvas[box])


def _outline_things(
    canvas: np.ndarray, panoptic_map: np.ndarray, things: Sequence[Segment], labels: LabelMap, scratch: np.ndarray
) -> None:
    """Draw the inner rim of every thing in a light tint of its class; `scratch`, a second canvas, is overwritten."""
    thickness = max(1, round(min(canvas.shape[:2]) / 400))
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    for thing in things:
        # Things are small: work on the box alone, with a margin that shows where the thing ends.
        around = _pixels(thing, margin=thickness)
        mask = (panoptic_map[around] == thing.id).view(np.uint8)
        rim = cv2.subtract(mask, cv2.erode(mask, kernel))
        tint = _lighten(labels[thing.class_id].color, 0.65).tolist()
        cv2.rectangle(scratch[around], (0, 0), mask.shape[::-1], tint, cv2.FILLED)
        cv2.copyTo(scratch[around], rim, canvas[around])  # a third of the time of canvas[around][rim] = tint


def _pixels(segment: Segment, margin: int = 0) -> tuple[slice, slice]:
    """Return rows and columns of a segment's box."""
    left, top, right, bottom = segment.box_xyxy
    return slice(max(0, top - margin), bottom + margin), slice(max(0, left - margin), right + margin)


def _lighten(color: tuple[int, int, int], share: float) -> np.ndarray:
    return ((1 - share) * np.array(color) + share * _WHITE).astype(np.uint8)


def _innermost_pixel(panoptic_map: np.ndarray, segment: Segment) -> np.ndarray:
    """Return x, y of the pixel farthest from the edge of the segment, (2,)."""
    left, top, _, _ = segment.box_xyxy
    framed = np.pad((panoptic_map[_pixels(segment)] == segment.id).view(np.uint8), 1)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 3)
    row, column = np.unravel_index(distance.argmax(), distance.shape)
    return np.array([left + column - 1, top + row - 1])
