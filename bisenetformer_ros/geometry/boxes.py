"""Boxes around segments with depth, in the axes of the optical frame."""

from dataclasses import dataclass

import numpy as np

MIN_GAP_M = 0.1
GAP_PER_M = 0.05
"""A step in depth larger than MIN_GAP_M + GAP_PER_M · depth separates an object from what is before or behind it."""
EROSION_PX = 2
"""Along the edges of a mask, depth cameras mix the object with its background."""
MAX_SAMPLES = 5000
"""Depths that are sorted per segment."""


@dataclass(frozen=True)
class Box:
    """A box whose sides are parallel to the axes of the optical frame.

    Attributes:
        center: x, y, z in metres.
        size: Extents along x, y, z in metres.
    """

    center: tuple[float, float, float]
    size: tuple[float, float, float]


def find_box(mask: np.ndarray, depth: np.ndarray, rays: tuple[np.ndarray, np.ndarray]) -> Box | None:
    """Find the box of the visible surface of a segment.

    The depth range reaches from the median of the eroded mask to the first gap before and behind it. The box holds all
    pixels of the mask in that range.

    Args:
        mask: (h, w) bool.
        depth: (h, w) float32 in metres, NaN where it is missing.
        rays: x / z of every column, (w,), and y / z of every row, (h,).

    Returns:
        None if no pixel of the mask has depth.
    """
    known = mask & ~np.isnan(depth)
    core = depth[known & _eroded(mask)]
    if not core.size:
        core = depth[known]
    if not core.size:
        return None
    nearest, farthest = _range_around_median(np.sort(core[:: -(-core.size // MAX_SAMPLES)]))
    inside = known & (depth >= nearest) & (depth <= farthest)
    rows, columns = np.nonzero(inside)
    z = depth[inside]
    bounds = [(values.min(), values.max()) for values in (z * rays[0][columns], z * rays[1][rows], z)]
    x, y, z_center = (float(low + high) / 2 for low, high in bounds)
    width, height, length = (float(high - low) for low, high in bounds)
    return Box((x, y, z_center), (width, height, length))


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Without the pixels within EROSION_PX rows or columns of the outside, where the border of the array is inside."""
    for axis in (0, 1):
        result = mask.copy()
        for shift in range(1, EROSION_PX + 1):
            inner, outer = [slice(None)] * 2, [slice(None)] * 2
            inner[axis], outer[axis] = slice(None, -shift), slice(shift, None)
            result[tuple(inner)] &= mask[tuple(outer)]
            result[tuple(outer)] &= mask[tuple(inner)]
        mask = result
    return mask


def _range_around_median(depths: np.ndarray) -> tuple[float, float]:
    """Nearest and farthest of the sorted depths that no gap separates from their median."""
    middle = len(depths) // 2
    gaps = np.flatnonzero(np.diff(depths) > MIN_GAP_M + GAP_PER_M * depths[middle])
    first = gaps[gaps < middle].max(initial=-1) + 1
    last = gaps[gaps >= middle].min(initial=len(depths) - 1)
    return depths[first], depths[last]
