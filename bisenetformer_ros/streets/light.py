"""Weather: how bright surfaces are, what distance does to them, and what the camera makes of it."""

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

    sun: u, y, s of the direction from which the sun shines. shadow: 0..1, how much darker its shadows are.
    fog_density: 1/m. fog_color: RGB as painted, before exposure. exposure_table: (256, 1, 3) uint8, what the camera
    makes of a painted value. grain: noise of the sensor in grey levels. blur: sigma in pixels of a 360-row frame.
    jpeg_quality: 0..100 or None for no compression. is_dark: lamps and windows are lit.
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
        """Brightness of walls on the left (-1) or right (1) of the road: they face the middle."""
        return 1.0 - 0.75 * self.shadow * float(np.clip(0.5 + 0.9 * side * self.sun[0], 0, 1))

    @property
    def facing_brightness(self) -> float:
        """Brightness of surfaces that face the camera."""
        return 1.0 - 0.6 * self.shadow * float(np.clip(0.5 + 0.8 * self.sun[2], 0, 1))

    def haze(self, distance: float) -> float:
        """0..1, the share of fog in what is seen at a distance in metres."""
        return 1.0 - math.exp(-self.fog_density * distance)

    def shades(self, colors: np.ndarray, brightness: np.ndarray, distance: float) -> list[list[int]]:
        """What (M, 3) colours with (M,) brightness look like from a distance in metres, as M lists of RGB 0..255."""
        haze = self.haze(distance)
        seen = colors * (brightness * (1 - haze))[:, None] + self.fog_color * haze
        return np.minimum(seen, 255).astype(int).tolist()

    def table(self, brightness: float, distance: float) -> np.ndarray:
        """(256, 1, 3) uint8 for cv2.LUT: what `shades` does to every value."""
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
        sun=tuple(float(part) for part in sun),
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
    """Turns a painted picture into what a camera delivers: vignette, softness, exposure, noise, compression."""

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
        """(H, W, 3) uint8 painted -> (H, W, 3) uint8 seen in frame `index`."""
        height, width = rgb.shape[:2]
        sigma = self._light.blur * max(height / 360, 0.8)
        image = cv2.GaussianBlur(rgb, (0, 0), sigma)
        image = cv2.multiply(image, self._falloff, scale=1 / 255)
        image = cv2.LUT(image, self._light.exposure_table)
        y, x = generator(self._seed, 6, index).integers(0, 64, 2)
        image = cv2.add(image, self._grain[y : y + height, x : x + width], dtype=cv2.CV_8U)
        if self._light.jpeg_quality is None:
            return image
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._light.jpeg_quality])
        return cv2.imdecode(packed, cv2.IMREAD_COLOR)
