"""Houses: front, side wall and roof."""

import numpy as np

from bisenetformer_ros.streets.canvas import BUILDING, Canvas
from bisenetformer_ros.streets.items import Item
from bisenetformer_ros.streets.textures import Texture

DEPTH_M = 9.0


class Building:
    """A house facing the road. The item's u is that of the front; the body extends outwards."""

    def __init__(
        self, rng: np.random.Generator, facade: tuple[Texture, float], gable: Texture, roof: Texture, length: float
    ):
        self._facade, self.height = facade
        self._gable = gable
        self._roof = roof
        self.length = length
        self.width = 0.2
        self._rise = rng.uniform(1.5, 3.5) if rng.random() < 0.7 and self.height < 12 else 0.0
        self._chimney = rng.uniform(0.1, 0.8) if self._rise and rng.random() < 0.6 else None
        self._tone = rng.uniform(0.85, 1.1)

    def draw(self, canvas: Canvas, item: Item) -> None:
        light, side, top = canvas.light, item.side, self.height
        near, far, front = item.s, item.s + self.length, item.u
        back = front + side * DEPTH_M
        ridge = front + side * DEPTH_M / 2
        corners = np.array([
            [front, top, near], [front, top, far], [front, 0, near], [front, 0, far], [back, top, near],
            [back, 0, near], [ridge, top + self._rise, near], [ridge, top + self._rise, far],
        ])  # fmt: skip
        if near < canvas.camera.station + 1:  # the near end is beside the camera, where the parabola is flat
            corners[:, 2] = np.maximum(corners[:, 2], near)
        points = canvas.camera.to_camera(corners)
        wall, facing = light.side_brightness(side) * self._tone, light.facing_brightness * self._tone
        if self._rise:
            eave, peak, peak_far = points[0], points[6], points[7]
            if self._chimney is not None:
                self._draw_chimney(canvas, peak + (peak_far - peak) * self._chimney, facing)
            canvas.surface(self._roof, peak, peak_far - peak, eave - peak, BUILDING, wall)
            canvas.polygon(np.stack([eave, peak, points[4]]), self._gable.mean_color, BUILDING, facing)
        left, right = (points[4], points[0]) if side < 0 else (points[0], points[4])
        canvas.surface(self._gable, left, right - left, points[2] - points[0], BUILDING, facing)
        if side < 0:
            canvas.surface(self._facade, points[0], points[1] - points[0], points[2] - points[0], BUILDING, wall)
        else:
            canvas.surface(self._facade, points[1], points[0] - points[1], points[2] - points[0], BUILDING, wall)

    def _draw_chimney(self, canvas: Canvas, foot: np.ndarray, brightness: float) -> None:
        box = foot + np.array([[-0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, -1.3, 0], [-0.5, -1.3, 0]])
        canvas.polygon(box, self._gable.mean_color, BUILDING, brightness)
        pots = foot + np.array([[-0.3, -1.3, 0], [0.3, -1.3, 0], [0.25, -1.7, 0], [-0.25, -1.7, 0]])
        canvas.polygon(pots, np.array([140.0, 85.0, 65.0]), BUILDING, brightness)
