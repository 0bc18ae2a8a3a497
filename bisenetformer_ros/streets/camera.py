"""The camera and the road coordinates of all objects."""

from dataclasses import dataclass

import numpy as np

NEAR_M = 0.5


@dataclass(frozen=True)
class StreetCamera:
    """A pinhole camera that looks along the tangent of the road, with the horizon at row `center_y`.

    Road coordinates (u, y, s) in metres: u to the right of the road's middle, y up from the ground, s along the road.
    Camera coordinates (x, y, z): right, down, forward. Around the camera the road is a parabola of the given
    curvature in 1/m. focal, center_x and center_y are in pixels.
    """

    size: tuple[int, int]
    focal: float
    center_x: float
    center_y: float
    height: float
    lateral: float
    station: float
    curvature: float

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Convert (N, 3) float64 road coordinates to camera coordinates."""
        seen = np.empty_like(points, dtype=np.float64)
        z = points[:, 2] - self.station
        seen[:, 0] = points[:, 0] - self.lateral + 0.5 * self.curvature * z * z
        seen[:, 1] = self.height - points[:, 1]
        seen[:, 2] = z
        return seen

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """Project (N, 3) camera coordinates with z > 0 to (N, 2) x, y in pixels."""
        scale = self.focal / points[:, 2:]
        return points[:, :2] * scale + (self.center_x, self.center_y)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64 camera matrix K; the centre of the top left pixel is at (0, 0), as in OpenCV and ROS."""
        return np.array([[self.focal, 0, self.center_x], [0, self.focal, self.center_y], [0, 0, 1]])

    def ground_rows(self) -> tuple[int, np.ndarray]:
        """Return the first row below the horizon, and the distance z in metres of the ground in this and lower rows."""
        first = min(max(int(np.floor(self.center_y)) + 1, 0), self.size[0])
        below = np.arange(first, self.size[0]) - self.center_y
        return first, self.focal * self.height / np.maximum(below, 0.25)


def clip_near(points: np.ndarray) -> np.ndarray:
    """Clip an (N, 3) polygon in camera coordinates at NEAR_M in front of the camera."""
    if points[:, 2].min() >= NEAR_M:
        return points
    kept = []
    for index in range(len(points)):
        here, after = points[index], points[(index + 1) % len(points)]
        if here[2] >= NEAR_M:
            kept.append(here)
        if (here[2] >= NEAR_M) != (after[2] >= NEAR_M):
            kept.append(here + (after - here) * ((NEAR_M - here[2]) / (after[2] - here[2])))
    return np.array(kept) if kept else np.empty((0, 3))
