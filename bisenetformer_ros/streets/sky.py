"""The sky, and the skyline of roofs and trees."""

import numpy as np

from bisenetformer_ros.streets.canvas import BUILDING, SKY, TREE, Canvas
from bisenetformer_ros.streets.layout import Layout
from bisenetformer_ros.streets.light import Light
from bisenetformer_ros.streets.textures import generator, noise, rough, to_uint8

SKYLINE_M = 160.0
"""Distance of the skyline, for its haze and depth."""


class Sky:
    """A panorama that turns with the road and wraps around after twice the frame's width."""

    def __init__(self, layout: Layout, light: Light, size: tuple[int, int]):
        self._layout = layout
        height, width = size
        lowest_horizon = layout.horizon_ratio * height + 1.6 * layout.bob * layout.focal_ratio * width
        self._size = (min(int(lowest_horizon) + 2, height), 2 * width)
        self._scale = height / 360
        rng = generator(layout.seed, 3)
        self._color = to_uint8(self._air(rng, light))
        self._codes = np.full(self._size, SKY, np.uint16)
        self._skyline(rng, light)
        self._color = np.concatenate([self._color, self._color[:, :width]], axis=1)
        self._codes = np.concatenate([self._codes, self._codes[:, :width]], axis=1)

    def draw(self, canvas: Canvas) -> None:
        """Fill the rows above the horizon."""
        camera = canvas.camera
        left = round(self._layout.heading(camera.station) * camera.focal) % self._size[1]
        rows = camera.ground_rows()[0]
        part = slice(self._size[0] - rows, self._size[0]), slice(left, left + camera.size[1])
        canvas.rgb[:rows] = self._color[part]
        canvas.codes[:rows] = self._codes[part]
        if canvas.relief is not None:
            canvas.relief.background[:rows] = np.where(self._codes[part] == SKY, 0, 1 / SKYLINE_M)

    def _air(self, rng: np.random.Generator, light: Light) -> np.ndarray:
        height, width = self._size
        up = np.linspace(1, 0, height)[:, None, None] ** 0.7
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
        for _ in range(int(rng.integers(25, 60))):
            tall = rng.uniform(10, 32) * self._scale
            color, code, mask = self._house(rng, tall) if rng.random() < 0.55 else self._grove(rng, tall)
            height, width = min(mask.shape[0], self._size[0]), mask.shape[1]
            x = int(rng.integers(0, max(1, self._size[1] - width)))
            place = slice(self._size[0] - height, self._size[0]), slice(x, x + width)
            mask = mask[-height:, : self._size[1] - x]
            self._color[place][mask] = self._hazed(color, light)[-height:][:, : mask.shape[1]][mask]
            self._codes[place][mask] = code

    @staticmethod
    def _house(rng: np.random.Generator, tall: float) -> tuple[np.ndarray, int, np.ndarray]:
        shape = (int(tall) + 1, int(tall * rng.uniform(0.6, 2)) + 1)
        body = rough(rng, rng.uniform(80, 170) + rng.normal(0, 8, 3), shape, 6, 4)
        step = max(int(tall / 5), 2)
        body[step::step, ::step] *= 0.7
        return body, BUILDING, np.ones(shape, bool)

    @staticmethod
    def _grove(rng: np.random.Generator, tall: float) -> tuple[np.ndarray, int, np.ndarray]:
        shape = (int(tall) + 1, int(tall * rng.uniform(1, 3)) + 2)
        color = np.array([rng.uniform(50, 95), rng.uniform(65, 100), rng.uniform(40, 60)])
        across = np.linspace(-1, 1, shape[1])[None]
        bumps = noise(rng, (1, shape[1]), max(2.0, tall / 4))
        top = (1 - across**2) * (0.8 + 0.2 * bumps)
        return rough(rng, color, shape, 12, 6), TREE, np.linspace(1, 0, shape[0])[:, None] < top

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
