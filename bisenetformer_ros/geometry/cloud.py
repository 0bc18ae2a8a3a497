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
    np.multiply(depth, columns, out=points["x"])
    np.multiply(depth, rows[:, None], out=points["y"])
    points["z"] = depth
    points["rgb"] = colors[labels]
    points["label"] = labels
    if instances is None:
        points["instance"] = 0
        points["confidence"] = 0
    else:
        points["instance"] = instances
        points["confidence"] = scores[instances]
