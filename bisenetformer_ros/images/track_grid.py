"""Tracks over consecutive frames in one picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from bisenetformer_ros.images.draw import FONT, overlay
from bisenetformer_ros.images.panels import with_legend
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult

COLUMNS = 4
TILE_WIDTH = 320
_GAP = 4
_SCALE = 0.45
_MARGIN = 0.05
"""Share of the height that is kept above and below the things."""
_MIN_AREA = 150
"""Smaller things, in pixels of a tile, have no id."""
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def track_grid(
    frames: Sequence[tuple[str, np.ndarray, SegmentationResult]], labels: LabelMap, alpha: float = 0.55
) -> np.ndarray:
    """Draw overlays with the ids of things in rows from left to right, cut to the height where things are.

    Args:
        frames: Caption, image (H, W, 3) uint8 RGB and panoptic result of each frame; at least one. All are drawn in the
            size of the first.
        labels: The classes.
        alpha: 0 (image only) to 1 (colours only).

    Returns:
        (h, w, 3) uint8 RGB, with a legend below.
    """
    height, width = frames[0][1].shape[:2]
    size = TILE_WIDTH, round(TILE_WIDTH * height / width)
    rows = _rows_of_things([result for _, _, result in frames], size[1])
    tiles = [_tile(rgb, result, labels, alpha, size)[rows] for _, rgb, result in frames]
    for tile, (caption, _, _) in zip(tiles, frames, strict=True):
        _write(tile, caption, (4, len(tile) - 5))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
    spaced = [np.pad(tile, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255) for tile in tiles]
    lines = [np.concatenate(spaced[first : first + COLUMNS], axis=1) for first in range(0, len(spaced), COLUMNS)]
    return with_legend(np.concatenate(lines)[:, :-_GAP], labels, *(result.label_map for _, _, result in frames))


def _rows_of_things(results: Sequence[SegmentationResult], height: int) -> slice:
    """Rows of a tile of this height that hold things in any of the results, and some more."""
    spans = [
        (segment.box_xyxy[1] / len(result.label_map), segment.box_xyxy[3] / len(result.label_map))
        for result in results
        for segment in result.segments
        if segment.is_thing
    ]
    top, bottom = min((top for top, _ in spans), default=0), max((bottom for _, bottom in spans), default=1)
    return slice(max(0, round(height * (top - _MARGIN))), round(height * (bottom + _MARGIN)))


def _tile(
    rgb: np.ndarray, result: SegmentationResult, labels: LabelMap, alpha: float, size: tuple[int, int]
) -> np.ndarray:
    tile = cv2.resize(overlay(rgb, result, labels, alpha), size, interpolation=cv2.INTER_AREA)
    scale = np.array(size) / rgb.shape[1::-1]
    for segment in result.segments:
        if segment.is_thing and segment.area * scale.prod() >= _MIN_AREA:
            text = str(segment.id)
            (width, height), _ = cv2.getTextSize(text, FONT, _SCALE, 1)
            x, y = scale * segment.centroid_xy
            _write(tile, text, (round(x - width / 2), round(y + height / 2)))
    return tile


def _write(tile: np.ndarray, text: str, position: tuple[int, int]) -> None:
    for color, thickness in ((_BLACK, 3), (_WHITE, 1)):
        cv2.putText(tile, text, position, FONT, _SCALE, color, thickness, cv2.LINE_AA)
