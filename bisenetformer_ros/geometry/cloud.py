"""Organized point clouds: one point per pixel, in the layout of sensor_msgs/PointCloud2."""

import numpy as np

# `rgb` holds 0x00RRGGBB in the bits of a float, as PCL and RViz read it.
POINT = np.dtype(
    {
        "names": ["x", "y", "z", "rgb", "label", "instance", "confidence"],
        "formats": ["f4", "f4", "f4", "u4", "u1", "u2", "f4"],
        "offsets": [0, 4, 8, 12, 16, 18, 20],
        "itemsize": 24,
    }
)
BLOCK_ROWS = 16
"""Rows that are filled at a time: field by field, a whole cloud would pass through the cache seven times."""


def fill_cloud(
    points: np.ndarray,
    depth: np.ndarray,
    rays: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    instances: np.ndarray | None,
    colors: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Fill an organized cloud in the optical frame: x to the right, y down, z forward.

    Args:
        points: (H, W) POINT, overwritten.
        depth: (H, W) float32 in metres, NaN where it is missing.
        rays: Of `Pinhole.rays`.
        labels: (H, W) uint8.
        instances: (H, W) uint16; None for 0 everywhere.
        colors: (256,) uint32, `rgb` by label.
        scores: (65536,) float32, `confidence` by instance.
    """
    columns, rows = rays
    for top in range(0, len(points), BLOCK_ROWS):
        block = slice(top, top + BLOCK_ROWS)
        part, z, label = points[block], depth[block], labels[block]
        np.multiply(z, columns, out=part["x"])
        np.multiply(z, rows[block, None], out=part["y"])
        part["z"] = z
        part["rgb"] = colors[label]
        part["label"] = label
        part["instance"] = 0 if instances is None else instances[block]
        part["confidence"] = 0 if instances is None else scores[instances[block]]
