"""Weather and camera: brightness of surfaces, haze, exposure and sensor noise."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from bisenetformer_ros.streets.textures import generator, noise, to_uint8

WEATHERS = ("sunny", "overcast", "dusk", "fog", "rain")
_LEVELS = np.arange(256, dtype=np.float32)[:, None, None]
_SHARES = (0.42, 0.28, 0.14, 0.07, 0.09)


@dataclass(frozen=True)
class Light:
    """The light of one drive.

    Attributes:
        weather: One of `WEATHERS`.
        sun: Direction towards the sun as u, y, s.
        shadow: Strength of its shadows, 0..1.
        fog_density: In 1/m.
        fog_color: RGB before exposure.
        exposure_table: (256, 1, 3) uint8, painted value → exposed value.
        grain: Sensor noise in grey levels.
        blur: Sigma in pixels of a 360-row frame.
        vignette: Darkening of the corners, 0..1.
        jpeg_quality: 0..100, or None for no compression.
        is_dark: Lamps and windows are lit.
    """

    weather: str
    sun: tuple[float, float, float]
    shadow: float
    fog_density: float
    fog_color: np.ndarray
    exposure_table: np.ndarray
    grain: float
    blur: float
    vignette: float
    jpeg_quality: int | None
    is_dark: bool

    def side_brightness(self, side: int) -> float:
        """Brightness of walls that face the road, on its left (-1) or right (1)."""
        return 1.0 - 0.75 * self.shadow * float(np.clip(0.5 + 0.9 * side * self.sun[0], 0, 1))

    @property
    def facing_brightness(self) -> float:
        """Brightness of surfaces that face the camera."""
        return 1.0 - 0.6 * self.shadow * float(np.clip(0.5 + 0.8 * self.sun[2], 0, 1))

    def haze(self, distance: float) -> float:
        """Fraction of fog in the colour at a distance in metres, 0..1."""
        return 1.0 - math.exp(-self.fog_density * distance)

    def shades(self, colors: np.ndarray, brightness: np.ndarray, distance: float) -> list[list[int]]:
        """Light (M, 3) colours with (M,) brightness, seen from a distance in metres; M lists of RGB 0..255."""
        haze = self.haze(distance)
        seen = colors * (brightness * (1 - haze))[:, None] + self.fog_color * haze
        return np.minimum(seen, 255).astype(int).tolist()

    def table(self, brightness: float, distance: float) -> np.ndarray:
        """Tabulate `shades` as (256, 1, 3) uint8 for cv2.LUT."""
        haze = self.haze(distance)
        return np.minimum(_LEVELS * (brightness * (1 - haze)) + self.fog_color * haze, 255).astype(np.uint8)


def random_light(rng: np.random.Generator) -> Light:
    weather = str(rng.choice(WEATHERS, p=_SHARES))
    azimuth = rng.uniform(-np.pi, np.pi)
    elevation = rng.uniform(0.3, 0.9)
    sun = (np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth))
    shadow = {"sunny": rng.uniform(0.4, 0.65), "dusk": 0.15}.get(weather, rng.uniform(0.02, 0.12))
    fog = {"fog": rng.uniform(0.008, 0.022), "rain": rng.uniform(0.003, 0.007)}.get(weather, rng.uniform(5e-4, 2.5e-3))
    fog_color = rng.uniform(185, 225) + np.array([-4.0, 0.0, 5.0]) * rng.uniform(0, 2)
    if weather == "dusk":
        fog_color = fog_color * np.array([0.72, 0.76, 0.86])
    return Light(
        weather=weather,
        sun=(float(sun[0]), float(sun[1]), float(sun[2])),
        shadow=float(shadow),
        fog_density=float(fog),
        fog_color=fog_color.astype(np.float32),
        exposure_table=_exposure_table(rng, weather),
        grain=float(rng.uniform(1.0, 5.0) * (1.5 if weather == "dusk" else 1.0)),
        blur=float(rng.uniform(0.35, 0.75)),
        vignette=float(rng.uniform(0.0, 0.25)),
        jpeg_quality=int(rng.integers(55, 95)) if rng.random() < 0.4 else None,
        is_dark=weather == "dusk",
    )


def _exposure_table(rng: np.random.Generator, weather: str) -> np.ndarray:
    gain = {"dusk": rng.uniform(0.35, 0.7), "rain": rng.uniform(0.65, 0.85)}.get(weather, rng.uniform(0.9, 1.3))
    gamma = rng.uniform(0.85, 1.3)
    balance = 1 + rng.normal(0, 0.03, 3)
    if weather == "dusk":
        balance = balance * np.array([0.93, 1.0, 1.05])
    level = (np.arange(256) / 255.0)[:, None, None]
    return to_uint8(255 * np.clip(gain * balance * level, 0, 1) ** gamma * 0.985 + rng.uniform(0, 8))


class Lens:
    """Simulates a camera: vignette, blur, exposure, noise, JPEG compression."""

    def __init__(self, light: Light, size: tuple[int, int], seed: int):
        self._light = light
        self._seed = seed
        height, width = size
        y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
        falloff = 255 * (1 - light.vignette * (x * x + y * y) / 2)
        self._falloff = np.repeat(to_uint8(falloff)[..., None], 3, axis=2)
        rng = generator(seed, 5)
        shape = (height + 64, width + 64)
        luma = 0.7 * noise(rng, shape, 1.0) + 0.7 * noise(rng, shape, 2.0)
        chroma = rng.standard_normal((*shape, 3), dtype=np.float32)
        self._grain = np.round(light.grain * (luma[..., None] + 0.5 * chroma)).astype(np.int16)

    def expose(self, rgb: np.ndarray, index: int) -> np.ndarray:
        """Convert a painted (H, W, 3) uint8 picture to the camera's frame `index`."""
        height, width = rgb.shape[:2]
        sigma = self._light.blur * max(height / 360, 0.8)
        image = cv2.GaussianBlur(rgb, (0, 0), sigma)
        image = cv2.multiply(image, self._falloff, scale=1 / 255)
        image = cv2.LUT(image, self._light.exposure_table)
        y, x = generator(self._seed, 6, index).integers(0, 64, 2)
        image = cv2.add(image, self._grain[y : y + height, x : x + width], dtype=cv2.CV_8U)
        if self._light.jpeg_quality is None:
            return image
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._light.jpeg_quality])[1]
        compressed = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        assert compressed is not None
        return compressed
