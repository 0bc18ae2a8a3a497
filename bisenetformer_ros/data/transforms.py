"""Augmentation: random scale, crop, flip, the colour jitter of SSD (Liu et al., ECCV 2016), gamma and blur.

Each random function draws from the generator it is given, so a sample depends on its seed only. Windows are cut before
they are scaled, and the instances of a sample follow when somebody asks for them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bisenetformer_ros.data.sample import Sample, count_classes
from bisenetformer_ros.results import UNLABELED

_CROP_TRIES = 10
_NEAREST = cv2.INTER_NEAREST_EXACT  # INTER_NEAREST shifts labels by up to half a pixel


@dataclass(frozen=True)
class Augmentation:
    """Settings of `augment`.

    Attributes:
        crop_size: (height, width); smaller images are padded.
        scale_range: Smallest and largest scale.
        scale_sampling: "uniform" or "log_uniform", the distribution of the scale.
        max_class_share: See `random_crop`.
        balanced_share: Fraction of crops that are `balanced_crop`s, 0..1.
        color_strength: See `jitter_colors`.
        hue_shift: See `jitter_colors`, degrees.
        gamma_range: Smallest and largest gamma, drawn log-uniformly.
        blur_range: Smallest and largest standard deviation of a Gaussian blur, drawn uniformly, pixels of the crop.
    """

    crop_size: tuple[int, int]
    scale_range: tuple[float, float]
    scale_sampling: str
    max_class_share: float
    balanced_share: float
    color_strength: float
    hue_shift: float
    gamma_range: tuple[float, float]
    blur_range: tuple[float, float]


def augment(sample: Sample, rng: np.random.Generator, settings: Augmentation, factor: float = 1.0) -> Sample:
    """Apply random scale, crop, flip, colour jitter, gamma and blur.

    Args:
        sample: The sample, which is not modified.
        rng: Source of all randomness.
        settings: Ranges of the random values.
        factor: Multiplies the random scale.
    """
    least, most = (factor * scale for scale in settings.scale_range)
    log_uniform = settings.scale_sampling == "log_uniform"
    scale = _log_uniform(rng, least, most) if log_uniform else float(rng.uniform(least, most))
    crop = balanced_crop if rng.random() < settings.balanced_share else random_crop
    sample = crop(sample, rng, settings.crop_size, settings.max_class_share, scale)
    if rng.random() < 0.5:
        sample = flip(sample)
    rgb = jitter_colors(sample.rgb, rng, settings.color_strength, settings.hue_shift)
    rgb = adjust_gamma(rgb, _log_uniform(rng, *settings.gamma_range))
    if settings.blur_range[1] > 0:
        rgb = blur(rgb, float(rng.uniform(*settings.blur_range)))
    return replace(sample, rgb=rgb)


def _log_uniform(rng: np.random.Generator, least: float, most: float) -> float:
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def random_crop(
    sample: Sample,
    rng: np.random.Generator,
    crop_size: tuple[int, int],
    max_class_share: float = 1.0,
    scale: float = 1.0,
) -> Sample:
    """Cut a random window of `crop_size` (height, width) from the image that is `scale` times as large.

    A smaller image is padded at the right and bottom with mid-grey, ignored pixels. The window is a whole number of
    the image's pixels, so its sides are scaled by up to half of such a pixel more or less.

    A window of nothing but road teaches little: if a class covers `max_class_share` of the labelled pixels or more,
    another one is drawn, up to ten in all. 1 takes the first.
    """
    (height, width), size = sample.label_map.shape, _window_size(sample, crop_size, scale)
    for _ in range(_CROP_TRIES if max_class_share < 1 else 1):
        top = int(rng.integers(0, height - size[0] + 1))
        left = int(rng.integers(0, width - size[1] + 1))
        window = cut(sample, top, left, size)
        counts = count_classes(window.label_map)[:UNLABELED]
        if counts.max() < max_class_share * max(1, counts.sum()):
            break
    return _fit(window, crop_size, scale)


def balanced_crop(
    sample: Sample,
    rng: np.random.Generator,
    crop_size: tuple[int, int],
    max_class_share: float = 1.0,
    scale: float = 1.0,
) -> Sample:
    """Crop like `random_crop`, but around a random pixel of a random class: rare classes as often as road and sky."""
    classes = np.flatnonzero(count_classes(sample.label_map)[:UNLABELED])
    if not classes.size:
        return random_crop(sample, rng, crop_size, max_class_share, scale)
    (height, width), size = sample.label_map.shape, _window_size(sample, crop_size, scale)
    pixels = np.flatnonzero(sample.label_map == rng.choice(classes))
    row, column = divmod(int(rng.choice(pixels)), width)
    top = int(rng.integers(max(0, row - size[0] + 1), min(row, height - size[0]) + 1))
    left = int(rng.integers(max(0, column - size[1] + 1), min(column, width - size[1]) + 1))
    return _fit(cut(sample, top, left, size), crop_size, scale)


def _window_size(sample: Sample, crop_size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return the (height, width) of what becomes a crop, in pixels of the image and not beyond it."""
    height, width = sample.label_map.shape
    return min(height, max(1, round(crop_size[0] / scale))), min(width, max(1, round(crop_size[1] / scale)))


def _fit(window: Sample, crop_size: tuple[int, int], scale: float) -> Sample:
    """Scale a window to a crop; pad it on the sides on which the image ends."""
    pairs = zip(window.label_map.shape, crop_size, strict=True)
    height, width = (
        whole if side == max(1, round(whole / scale)) else min(whole, max(1, round(side * scale)))
        for side, whole in pairs
    )
    return pad(resize(window, (height, width)), crop_size)


def resize(sample: Sample, size: tuple[int, int]) -> Sample:
    """Scale to (height, width); labels take the nearest pixel."""
    if sample.label_map.shape == size:
        return sample
    shape = (size[1], size[0])
    interpolation = cv2.INTER_AREA if size[0] * size[1] < sample.label_map.size else cv2.INTER_LINEAR
    return _with_maps(
        sample,
        cv2.resize(sample.rgb, shape, interpolation=interpolation),
        lambda labels: cv2.resize(labels, shape, interpolation=_NEAREST),
    )


def pad(sample: Sample, least: tuple[int, int]) -> Sample:
    """Add mid-grey, ignored pixels at the right and bottom up to `least` (height, width)."""
    height, width = sample.label_map.shape
    below, right = max(0, least[0] - height), max(0, least[1] - width)
    if not (below or right):
        return sample

    def padded(pixels: np.ndarray, value: int) -> np.ndarray:
        return cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(value,) * 3)

    return _with_maps(
        sample, padded(sample.rgb, 114), lambda labels: padded(labels, UNLABELED if labels.dtype == np.uint8 else 0)
    )


def cut(sample: Sample, top: int, left: int, size: tuple[int, int]) -> Sample:
    """Cut the window of `size` (height, width) at (top, left), which must lie inside the sample."""
    window = (slice(top, top + size[0]), slice(left, left + size[1]))
    return _with_maps(sample, sample.rgb[window], lambda labels: labels[window])


def flip(sample: Sample) -> Sample:
    """Mirror left and right."""
    return _with_maps(sample, cv2.flip(sample.rgb, 1), lambda labels: cv2.flip(labels, 1))


def _with_maps(sample: Sample, rgb: np.ndarray, transform: Callable[[np.ndarray], np.ndarray]) -> Sample:
    """Replace the image, and the labels by what `transform` makes of them; of the instances later, if asked for."""
    label_map = transform(sample.label_map)
    return replace(sample, rgb=rgb, label_map=label_map, instances=lambda: transform(sample.instance_map))


def jitter_colors(
    rgb: np.ndarray, rng: np.random.Generator, strength: float = 1.0, hue_shift: float = 18.0
) -> np.ndarray:
    """Change brightness, contrast, saturation and hue of (H, W, 3) uint8 RGB, each with probability 1/2.

    Args:
        rgb: The image, which is not modified.
        rng: Source of all randomness.
        strength: Brightness changes by up to 32 times this, contrast and saturation by up to half of this; 0..2.
        hue_shift: Largest change of the hue, degrees.
    """
    factors = (1 - 0.5 * strength, 1 + 0.5 * strength)
    levels = np.arange(256, dtype=np.float32)
    before, saturation, hue, after = (levels.copy() for _ in range(4))  # tables: every change is one of a single value
    if rng.random() < 0.5:
        before += rng.uniform(-32 * strength, 32 * strength)
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        before *= rng.uniform(*factors)
    if rng.random() < 0.5:
        saturation *= rng.uniform(*factors)
    if rng.random() < 0.5:
        hue = (hue + rng.uniform(-hue_shift / 2, hue_shift / 2)) % 180  # in units of 2 degrees
    if not contrast_first and rng.random() < 0.5:
        after *= rng.uniform(*factors)
    hsv = cv2.cvtColor(cv2.LUT(rgb, _to_bytes(before)), cv2.COLOR_RGB2HSV)
    hsv = cv2.LUT(hsv, _to_bytes(np.stack((hue, saturation, levels), axis=1))[None])
    return cv2.LUT(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), _to_bytes(after))


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)


def adjust_gamma(rgb: np.ndarray, gamma: float) -> np.ndarray:
    """Return 255 · (rgb / 255) ** gamma as (H, W, 3) uint8; above 1 darkens, below 1 brightens."""
    if gamma == 1:
        return rgb
    table = 255 * (np.arange(256) / 255) ** gamma
    return cv2.LUT(rgb, np.round(table).astype(np.uint8))


def blur(rgb: np.ndarray, sigma: float) -> np.ndarray:
    """Convolve (H, W, 3) uint8 RGB with a Gaussian of standard deviation `sigma` in pixels, mirrored at the border."""
    if sigma == 0:
        return rgb
    return cv2.GaussianBlur(rgb, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
