"""Visualization of segmentation results."""

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
    return _paint(label_map, labels.palette, out)


def overlay(
    rgb: np.ndarray,
    result: SegmentationResult,
    labels: LabelMap,
    alpha: float = 0.5,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Blend class colours into an image; things get a shade of their own and an outline.

    Args:
        rgb: (H, W, 3) uint8, the image that `result` belongs to. Its unlabeled pixels stay as they are.
        result: Semantic or panoptic.
        labels: The label map of `result`.
        alpha: 0 (image only) to 1 (colours only).
        out: (H, W, 3) uint8 array to draw into.

    Returns:
        (H, W, 3) uint8 RGB; `out` if given.
    """
    if result.panoptic_map is None:
        colors = colorize(result.label_map, labels)
    else:
        colors = _paint(result.panoptic_map, _segment_palette(result.segments, labels))
    blended = cv2.addWeighted(rgb, 1 - alpha, colors, alpha, 0, dst=out)
    cv2.copyTo(rgb, (result.label_map == UNLABELED).view(np.uint8), blended)
    if result.panoptic_map is not None:
        _outline_things(blended, result.panoptic_map, result.segments, labels, scratch=colors)
    return blended


def font_scale(rgb: np.ndarray) -> float:
    """Return the scale of `FONT` for texts in and around a picture, (H, W, 3)."""
    return max(0.35, min(rgb.shape[:2]) / 1000)


def draw_names(rgb: np.ndarray, result: SegmentationResult, labels: LabelMap, with_ids: bool = False) -> np.ndarray:
    """Return a copy of `rgb` with the class name on every segment that has room for it; no names for semantic results.

    Larger segments come first; a name that would cover another one is omitted. `with_ids` adds the ids of things.
    """
    canvas = rgb.copy()
    if result.panoptic_map is None:
        return canvas
    scale = font_scale(rgb)
    taken = np.zeros(rgb.shape[:2], bool)
    for segment in sorted(result.segments, key=lambda segment: -segment.area):
        name = f"{segment.class_name} {segment.id}" if with_ids and segment.is_thing else segment.class_name
        (width, height), baseline = cv2.getTextSize(name, FONT, scale, 1)
        margin = max(2, round(6 * scale))
        size = np.array([width + 2 * margin, height + baseline + 2 * margin])
        inside = _innermost_pixel(result.panoptic_map == segment.id, segment.box_xyxy)
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
    return canvas


def _paint(ids: np.ndarray, palette: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Look up (H, W) ids in the rows of `palette` (largest id + 1 or more, 3): (H, W, 3) uint8."""
    if len(palette) > 256:
        return np.take(palette, ids, axis=0, out=out)
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(palette), 0] = palette
    return cv2.applyColorMap(ids.astype(np.uint8, copy=False), table, dst=out)  # a third of the time of np.take


def _segment_palette(segments: tuple[Segment, ...], labels: LabelMap) -> np.ndarray:
    """Return (largest id + 1, 3) uint8: stuff in class colours, things up to 40 % lighter, neighbouring ids apart."""
    palette = np.zeros((max((segment.id for segment in segments), default=0) + 1, 3), np.uint8)
    for segment in segments:
        lightness = 0.4 * (segment.id * _GOLDEN_RATIO % 1) if segment.is_thing else 0
        palette[segment.id] = _lighten(labels[segment.class_id].color, lightness)
    return palette


def _outline_things(
    canvas: np.ndarray, panoptic_map: np.ndarray, segments: tuple[Segment, ...], labels: LabelMap, scratch: np.ndarray
) -> None:
    """Draw the inner rim of every thing in a light tint of its class; `scratch`, a second canvas, is overwritten."""
    thickness = max(1, round(min(canvas.shape[:2]) / 400))
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), np.uint8)
    for segment in segments:
        if segment.is_thing:
            left, top, right, bottom = segment.box_xyxy
            # Things are small: work on the box alone, with a margin that shows where the thing ends.
            around = (
                slice(max(0, top - thickness), bottom + thickness),
                slice(max(0, left - thickness), right + thickness),
            )
            mask = (panoptic_map[around] == segment.id).view(np.uint8)
            rim = cv2.subtract(mask, cv2.erode(mask, kernel))
            tint = _lighten(labels[segment.class_id].color, 0.65).tolist()
            cv2.rectangle(scratch[around], (0, 0), mask.shape[::-1], tint, cv2.FILLED)
            cv2.copyTo(scratch[around], rim, canvas[around])  # a third of the time of canvas[around][rim] = tint


def _lighten(color: tuple[int, int, int], share: float) -> np.ndarray:
    return ((1 - share) * np.array(color) + share * _WHITE).astype(np.uint8)


def _innermost_pixel(mask: np.ndarray, box_xyxy: tuple[int, int, int, int]) -> np.ndarray:
    """Return x, y of the pixel farthest from the edge of the mask, (2,)."""
    left, top, right, bottom = box_xyxy
    framed = np.pad(mask[top:bottom, left:right].astype(np.uint8), 1)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 3)
    row, column = np.unravel_index(distance.argmax(), distance.shape)
    return np.array([left + column - 1, top + row - 1])
