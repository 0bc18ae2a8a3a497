"""Camera matrix, depth and true boxes of a generated frame, as a file beside its image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

BOX = np.dtype([("id", "u2"), ("class_id", "u1"), ("center", "f8", 3), ("size", "f8", 3)])
"""A thing: id in the instance map, class id, and its box along the axes of the optical frame, in metres."""


@dataclass(frozen=True, eq=False)
class FrameGeometry:
    """How the pixels of a frame relate to space; the camera has no distortion.

    Attributes:
        matrix: (3, 3) float64 camera matrix K, for pixel centres at whole coordinates.
        depth: (H, W) float32, metres along the optical axis, infinity where there is no surface; or None.
        boxes: (N,) BOX, the things ahead of the camera, visible or not; or None.
    """

    matrix: np.ndarray
    depth: np.ndarray | None = None
    boxes: np.ndarray | None = None

    def save(self, path: Path) -> None:
        """Write a file NAME.npz."""
        np.savez(path, **{name: array for name, array in vars(self).items() if array is not None})

    @classmethod
    def load(cls, path: Path) -> "FrameGeometry":
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)
