"""Noise, and textures that carry their own smaller versions, so that far surfaces do not flicker."""

from functools import cached_property

import cv2
import numpy as np


def generator(*key: int) -> np.random.Generator:
    """The random numbers of one thing in the world; the same key gives the same numbers on every machine.

    key: any integers, negative ones included.
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([part & 0xFFFFFFFF for part in key])))


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: float, cell_y: float | None = None) -> np.ndarray:
    """(H, W) float32 of about unit variance, smooth over `cell` pixels across and `cell_y` (default the same) down."""
    height, width = shape
    coarse = (max(2, int(height / (cell_y or cell)) + 1), max(2, int(width / cell) + 1))
    values = rng.standard_normal(coarse, dtype=np.float32)
    return cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR)


def rough(
    rng: np.random.Generator, color: np.ndarray, shape: tuple[int, int], grain: float, blotch: float
) -> np.ndarray:
    """(H, W, 3) float32 surface of one RGB colour with fine grain and wide blotches, both in grey levels."""
    light = grain * noise(rng, shape, 1.0) + blotch * noise(rng, shape, 24.0) + 0.6 * blotch * noise(rng, shape, 7.0)
    return np.asarray(color, np.float32) + light[..., None]


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Rounds and clips to 0..255."""
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


class Texture:
    """A picture of a surface with its halved copies.

    color: (H, W, 3) uint8 RGB. alpha: (H, W) uint8 or None for a surface without holes; the surface takes the label
    of a pixel where alpha exceeds `LABEL_ALPHA`. soft: blend the colour by alpha, else it is all or nothing.
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
            levels.append(tuple(None if image is None else _halve(image) for image in levels[-1]))
        return levels

    def level(self, texels_per_pixel: float) -> tuple[np.ndarray, np.ndarray | None]:
        """Colour and alpha of the copy with about one texel per pixel."""
        index = int(max(0.0, np.log2(max(texels_per_pixel, 1e-3)) + 0.3))
        return self._levels[min(index, len(self._levels) - 1)]


def _halve(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return cv2.resize(image, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
