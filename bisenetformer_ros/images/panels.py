"""Headings above pictures and legends below them."""

from collections.abc import Mapping

import cv2
import numpy as np

from bisenetformer_ros.images.draw import FONT, font_scale
from bisenetformer_ros.labels import Label, LabelMap

MAX_ROWS = 3
"""Of a legend; if the classes of a label map need more, it shows those in the picture."""
_GAP = 4
_WHITE, _INK = 255, (40, 40, 40)


def side_by_side(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Place pictures from left to right.

    Args:
        pictures: Heading → (H, W, 3) uint8 RGB, all of one size.

    Returns:
        (H + heading, widths + gaps, 3) uint8 RGB; the pictures are at its bottom.
    """
    panels = []
    for heading, rgb in pictures.items():
        scale = font_scale(rgb)
        strip = np.full((_line_height(scale), rgb.shape[1], 3), _WHITE, np.uint8)
        _write(strip, heading, 0, 0, scale)
        panels += [np.concatenate([strip, rgb]), np.full((len(strip) + len(rgb), _GAP, 3), _WHITE, np.uint8)]
    return np.concatenate(panels[:-1], axis=1)


def with_legend(rgb: np.ndarray, labels: LabelMap, *label_maps: np.ndarray) -> np.ndarray:
    """Add the colours and names of the classes below a picture.

    Args:
        rgb: (H, W, 3) uint8.
        labels: All of them are shown if they fit in MAX_ROWS rows, else those in `label_maps`, largest first.
        label_maps: (H, W) uint8 class ids, 255 = unlabeled.

    Returns:
        (H + legend, W, 3) uint8 RGB. The height of the legend is the same for all pictures of this size.
    """
    scale = font_scale(rgb)
    height = _line_height(scale)
    cell = max(_text_width(label.name, scale) for label in labels) + 2 * height
    columns = max(1, rgb.shape[1] // cell)
    rows = min(MAX_ROWS, -(-len(labels) // columns))
    shown = list(labels) if len(labels) <= rows * columns else _largest(labels, label_maps)[: rows * columns]
    strip = np.full((rows * height, rgb.shape[1], 3), _WHITE, np.uint8)
    for index, label in enumerate(shown):
        top, left = index // columns * height, index % columns * cell
        inset = height // 5
        corners = (left + inset, top + inset), (left + height - inset - 1, top + height - inset - 1)
        cv2.rectangle(strip, *corners, label.color, cv2.FILLED)
        _write(strip, label.name, left + height, top, scale)
    return np.concatenate([rgb, strip])


def _largest(labels: LabelMap, label_maps: tuple[np.ndarray, ...]) -> list[Label]:
    pixels = sum((np.bincount(label_map.ravel(), minlength=256) for label_map in label_maps), np.zeros(256, int))
    return [label for label in sorted(labels, key=lambda label: -pixels[label.id]) if pixels[label.id]]


def _write(strip: np.ndarray, text: str, left: int, top: int, scale: float) -> None:
    (_, height), _ = cv2.getTextSize(text, FONT, scale, 1)
    bottom = top + (_line_height(scale) + height) // 2
    cv2.putText(strip, text, (left + 2, bottom), FONT, scale, _INK, 1, cv2.LINE_AA)


def _line_height(scale: float) -> int:
    (_, height), baseline = cv2.getTextSize("Ag", FONT, scale, 1)
    return height + baseline + max(4, round(12 * scale))


def _text_width(text: str, scale: float) -> int:
    return cv2.getTextSize(text, FONT, scale, 1)[0][0]
