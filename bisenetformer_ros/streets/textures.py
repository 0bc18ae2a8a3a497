"""Random numbers, noise, and textures with mipmaps, so that distant surfaces do not flicker."""

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np

T = TypeVar("T")


def generator(*key: int) -> np.random.Generator:
    """Return the random generator of one object; a key of integers gives the same numbers on every machine."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([part & 0xFFFFFFFF for part in key])))


def pick(rng: np.random.Generator, pool: Sequence[T]) -> T:
    """Return a uniformly drawn element."""
    return pool[int(rng.integers(0, len(pool)))]


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: float, cell_y: float | None = None) -> np.ndarray:
    """Return (H, W) float32 of about unit variance, smooth over `cell` columns and `cell_y` rows (default: `cell`)."""
    height, width = shape
    coarse = (max(2, int(height / (cell_y or cell)) + 1), max(2, int(width / cell) + 1))
    values = rng.standard_normal(coarse, dtype=np.float32)
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)


def rough(
    rng: np.random.Generator, color: np.ndarray, shape: tuple[int, int], grain: float, blotch: float
) -> np.ndarray:
    """Return an (H, W, 3) float32 surface of one RGB colour with fine grain and wide blotches, in grey levels."""
    light = grain * noise(rng, shape, 1.0) + blotch * noise(rng, shape, 24.0) + 0.6 * blotch * noise(rng, shape, 7.0)
    return np.asarray(color, np.float32) + light[..., None]


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Round and clip to 0..255."""
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


class Texture:
    """The image of a surface, with mipmaps.

    Args:
        color: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, or None for an opaque surface. Pixels above `LABEL_ALPHA` get the label of the surface.
        soft: Blend the colour by alpha instead of all or nothing.
    """

    LABEL_ALPHA = 60

    def __init__(self, color: np.ndarray, alpha: np.ndarray | None = None, soft: bool = False):
        self.color = np.ascontiguousarray(color)
        self.alpha = alpha
        self.soft = soft
        self.size = color.shape[:2]

    @cached_property
    def mean_color(self) -> np.ndarray:
        return self.color.mean(axis=(0, 1))

    @cached_property
    def _levels(self) -> list[tuple[np.ndarray, np.ndarray | None]]:
        levels = [(self.color, self.alpha)]
        while min(levels[-1][0].shape[:2]) >= 4 and len(levels) < 7:
            color, alpha = levels[-1]
            levels.append((_halve(color), None if alpha is None else _halve(alpha)))
        return levels

    def level(self, texels_per_pixel: float) -> tuple[np.ndarray, np.ndarray | None]:
        """Return colour and alpha of the mipmap with about one texel per pixel."""
        index = int(max(0.0, np.log2(max(texels_per_pixel, 1e-3)) + 0.3))
        return self._levels[min(index, len(self._levels) - 1)]


def _halve(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return cv2.resize(image, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
