"""Depth of a painted picture: each pixel lies on the plane of the stroke that painted it last."""

import numpy as np

from bisenetformer_ros.streets.camera import StreetCamera


class Relief:
    """The strokes of a picture.

    Attributes:
        background: (H, W) float64 inverse depth in 1/m of the ground, the skyline and the sky.
        strokes: (H, W) int32 number of the stroke that painted a pixel last, 0 = none.
    """

    def __init__(self, camera: StreetCamera):
        self._camera = camera
        self._outlines: list[np.ndarray] = []
        self.background = np.zeros(camera.size)
        self.strokes = np.zeros(camera.size, np.int32)

    def number(self, outline: np.ndarray) -> int:
        """Add a stroke, a flat (N, 3) polygon in camera coordinates or a point that stands for z; return its number."""
        self._outlines.append(outline)
        return len(self._outlines)

    def depth(self) -> np.ndarray:
        """Return (H, W) float32 z in metres; infinity where the inverse depth is 0."""
        seen = np.flatnonzero(np.bincount(self.strokes.ravel()))
        planes = np.zeros((len(self._outlines) + 1, 5))
        for number in seen[seen > 0]:
            planes[number] = self._plane(self._outlines[number - 1])
        rows, columns = np.nonzero(self.strokes)
        by_row, by_column, constant, least, most = planes[self.strokes[rows, columns]].T
        inverse = self.background.copy()
        # OpenCV also fills pixels whose centre lies just outside, where the plane may be anywhere.
        inverse[rows, columns] = np.clip(by_row * rows + by_column * columns + constant, least, most)
        with np.errstate(divide="ignore"):
            return (1 / inverse).astype(np.float32)

    def _plane(self, outline: np.ndarray) -> tuple[float, float, float, float, float]:
        """Inverse depth as a function of row and column: two slopes, a constant, minimum and maximum."""
        inverse = 1 / outline[:, 2]
        normal = np.cross(outline, np.roll(outline, -1, axis=0)).sum(axis=0)  # Newell's
        distance = float(normal @ outline.mean(axis=0))
        if distance == 0:  # a point, or seen edge-on
            return 0.0, 0.0, float(inverse.mean()), 0.0, np.inf
        camera = self._camera
        right, down, ahead = normal / distance
        by_column, by_row = right / camera.focal, down / camera.focal
        constant = ahead - by_column * camera.center_x - by_row * camera.center_y
        return by_row, by_column, constant, float(inverse.min()), float(inverse.max())
