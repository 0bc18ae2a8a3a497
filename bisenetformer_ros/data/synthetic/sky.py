"""The sky, and the roofs and trees on the horizon."""

import cv2
import numpy as np

from bisenetformer_ros.data.synthetic.canvas import Canvas
from bisenetformer_ros.data.synthetic.classes import BUILDING, SKY, TREE
from bisenetformer_ros.data.synthetic.layout import Layout
from bisenetformer_ros.data.synthetic.light import Light
from bisenetformer_ros.data.synthetic.textures import generator, noise, rough, to_uint8

SKYLINE_M = 160.0
"""Distance at which the skyline stands, for its haze."""


class Sky:
    """A panorama that turns with the road; it wraps around after twice the width of the frame."""

    def __init__(self, layout: Layout, light: Light, size: tuple[int, int]):
        self._layout = layout
        height, width = size
        self._size = (height, 2 * width)
        self._focal = layout.focal_ratio * width
        rng = generator(layout.seed, 3)
        self._color = to_uint8(self._air(rng, light))
        self._codes = np.full(self._size, SKY, np.uint16)
        self._horizon = int(0.8 * height)
        self._skyline(rng, light)

    def draw(self, canvas: Canvas) -> None:
        camera = canvas.camera
        height, width = camera.size
        turn = int(round(self._layout.heading(camera.station) * camera.focal)) % self._size[1]
        columns = np.arange(turn, turn + width) % self._size[1]
        top = self._horizon - int(round(camera.center_y))
        rows = np.clip(np.arange(top, top + height), 0, self._size[0] - 1)
        canvas.rgb[:] = self._color[rows][:, columns]
        canvas.codes[:] = self._codes[rows][:, columns]

    def _air(self, rng: np.random.Generator, light: Light) -> np.ndarray:
        height, width = self._size
        up = np.clip(1 - np.arange(height) / (0.8 * height), 0, 1)[:, None, None] ** 0.7
        zenith, horizon = _sky_colors(rng, light)
        air = horizon + (zenith - horizon) * up
        half = (height, width // 2)
        cell = height / rng.uniform(1.5, 4)
        clouds = noise(rng, half, cell * 2, cell * 0.6) + 0.6 * noise(rng, half, cell * 0.7, cell * 0.25)
        clouds += 0.3 * noise(rng, half, cell * 0.2, cell * 0.1)
        clouds = np.concatenate([clouds, clouds[:, ::-1], clouds[:, :1]], axis=1)[:, :width]
        if light.weather == "sunny":
            cover = np.clip(clouds - rng.uniform(0.2, 1.6), 0, 1)[..., None] * 0.9
            return air + cover * (np.float32(250) - air)
        return air + (clouds * rng.uniform(2, 16 if light.weather in ("dusk", "overcast") else 6))[..., None]

    def _skyline(self, rng: np.random.Generator, light: Light) -> None:
        height, width = self._size
        scale = height / 360
        for _ in range(int(rng.integers(25, 60))):
            x, base = int(rng.integers(0, width)), self._horizon + int(8 * scale)
            if rng.random() < 0.55:
                self._house(rng, light, x, base, scale)
            else:
                self._grove(rng, light, x, base, scale)

    def _house(self, rng: np.random.Generator, light: Light, x: int, base: int, scale: float) -> None:
        wide, tall = int(rng.integers(12, 50) * scale) + 1, int(rng.integers(12, 34) * scale) + 1
        top, right = base - tall, min(x + wide, self._size[1])
        color = np.array(rng.uniform(80, 170) + rng.normal(0, 10, 3))
        body = rough(rng, color, (tall, right - x), 6, 4)
        step = max(int(5 * scale), 2)
        body[step::step, ::step] *= 0.7
        self._color[top:base, x:right] = self._hazed(body, light)
        self._codes[top:base, x:right] = BUILDING

    def _grove(self, rng: np.random.Generator, light: Light, x: int, base: int, scale: float) -> None:
        color = np.array([rng.uniform(50, 95), rng.uniform(65, 100), rng.uniform(40, 60)])
        mask = np.zeros(self._size, np.uint8)
        for _ in range(6):
            radius = int(rng.integers(5, 14) * scale) + 1
            spot = (x + int(rng.integers(-18, 18) * scale), base - int(rng.integers(0, 16) * scale))
            cv2.circle(mask, spot, radius, 255, -1)
        mask[base:] = 0
        ys, xs = np.nonzero(mask)
        texture = self._hazed(rough(rng, color, (base, self._size[1]), 12, 6), light) if len(ys) else None
        if texture is not None:
            self._color[ys, xs] = texture[ys, xs]
            self._codes[ys, xs] = TREE

    @staticmethod
    def _hazed(image: np.ndarray, light: Light) -> np.ndarray:
        haze = light.haze(SKYLINE_M)
        return to_uint8(image * (1 - haze) + light.fog_color * haze)


def _sky_colors(rng: np.random.Generator, light: Light) -> tuple[np.ndarray, np.ndarray]:
    if light.weather == "sunny" and rng.random() < 0.6:
        return np.array([120, 165, 225]) * rng.uniform(0.85, 1.1), np.array([215, 230, 245]) * rng.uniform(0.95, 1.05)
    if light.weather == "sunny":  # blown out, as cameras see it against the sun
        return np.full(3, 252.0), np.full(3, 255.0)
    if light.weather == "dusk":
        zenith = np.array([150, 165, 185]) * rng.uniform(0.6, 1.1)
        return zenith, np.array([225, 205, 190]) * rng.uniform(0.8, 1.1)
    level = rng.uniform(200, 245)
    return np.array([level - 8, level - 3, level + 3]), np.full(3, level + rng.uniform(0, 10))
