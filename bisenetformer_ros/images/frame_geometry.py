"""Camera matrix and depth of a generated frame, as a file beside its image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class FrameGeometry:
    """How the pixels of a frame relate to space; the camera has no distortion.

    Attributes:
        matrix: (3, 3) float64 camera matrix K, for pixel centres at whole coordinates.
        depth: (H, W) float32, metres along the optical axis, infinity where there is no surface; or None.
    """

    matrix: np.ndarray
    depth: np.ndarray | None = None

    def save(self, path: Path) -> None:
        """Write a file NAME.npz."""
        np.savez(path, **{name: array for name, array in vars(self).items() if array is not None})

    @classmethod
    def load(cls, path: Path) -> "FrameGeometry":
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(**arrays)
