"""Area, box and centroid of every region of an id map."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Region:
    """area: pixels. box_xyxy: x_min, y_min, x_max, y_max in pixels, max exclusive. centroid_xy: mean pixel centre."""

    area: int
    box_xyxy: tuple[int, int, int, int]
    centroid_xy: tuple[float, float]


def measure_regions(id_map: np.ndarray, num_regions: int) -> list[Region | None]:
    """The regions 1..num_regions of an (H, W) unsigned integer map, in this order; None for one without pixels.

    Two passes count how many pixels of each id lie in every row and in every column; the rest follows from those
    counts. Needs 8 · (num_regions + 1) · (H + W) bytes.
    """
    per_row = _count_per_line(id_map, num_regions)
    per_column = _count_per_line(id_map.T, num_regions)
    return [_region(per_row[:, region], per_column[:, region]) for region in range(1, num_regions + 1)]


def _region(rows: np.ndarray, columns: np.ndarray) -> Region | None:
    occupied_rows, occupied_columns = np.flatnonzero(rows), np.flatnonzero(columns)
    if not occupied_rows.size:
        return None
    left, right = int(occupied_columns[0]), int(occupied_columns[-1]) + 1
    top, bottom = int(occupied_rows[0]), int(occupied_rows[-1]) + 1
    area = int(rows.sum())
    centroid = float(columns @ np.arange(columns.size) / area), float(rows @ np.arange(rows.size) / area)
    return Region(area, (left, top, right, bottom), centroid)


def _count_per_line(lines: np.ndarray, num_regions: int, chunk: int = 32) -> np.ndarray:
    """(lines, num_regions + 1) pixels of each id; in chunks, because bincount makes 8-byte copies of what it counts."""
    counts = np.empty((len(lines), num_regions + 1), np.int64)
    for start in range(0, len(lines), chunk):
        part = lines[start : start + chunk]
        shift = np.arange(len(part))[:, None] * (num_regions + 1)
        counted = np.bincount((part + shift).ravel(), minlength=shift.size * (num_regions + 1))
        counts[start : start + chunk] = counted.reshape(len(part), -1)
    return counts
