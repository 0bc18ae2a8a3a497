"""Augmentation: random scale, crop, flip, the colour jitter of SSD (Liu et al., ECCV 2016), gamma and blur.

Each random function draws from the generator it is given, so a sample depends on its seed only.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from bisenetformer_ros.data.sample import Sample
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
    sample = rescale(sample, _log_uniform(rng, least, most) if log_uniform else float(rng.uniform(least, most)))
    if rng.random() < settings.balanced_share:
        sample = balanced_crop(sample, rng, settings.crop_size, settings.max_class_share)
    else:
        sample = random_crop(sample, rng, settings.crop_size, settings.max_class_share)
    if rng.random() < 0.5:
        sample = flip(sample)
    rgb = jitter_colors(sample.rgb, rng, settings.color_strength, settings.hue_shift)
    rgb = adjust_gamma(rgb, _log_uniform(rng, *settings.gamma_range))
    if settings.blur_range[1] > 0:
        rgb = blur(rgb, float(rng.uniform(*settings.blur_range)))
    return replace(sample, rgb=rgb)


def _log_uniform(rng: np.random.Generator, least: float, most: float) -> float:
    return float(np.exp(rng.uniform(np.log(least), np.log(most))))


def rescale(sample: Sample, scale: float) -> Sample:
    """Scale both sides; labels take the nearest pixel."""
    height, width = sample.label_map.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return replace(
        sample,
        rgb=cv2.resize(sample.rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR),
        label_map=cv2.resize(sample.label_map, size, interpolation=_NEAREST),
        instance_map=cv2.resize(sample.instance_map, size, interpolation=_NEAREST),
    )


def random_crop(
    sample: Sample, rng: np.random.Generator, crop_size: tuple[int, int], max_class_share: float = 1.0
) -> Sample:
    """Cut a random (height, width) window, padded at the right and bottom where the image is smaller.

    A window of nothing but road teaches little: if a class covers `max_class_share` of the labelled pixels or more,
    another one is drawn, up to ten in all. 1 takes the first.
    """
    sample = pad(sample, crop_size)
    height, width = sample.label_map.shape
    for _ in range(_CROP_TRIES if max_class_share < 1 else 1):
        top = int(rng.integers(0, height - crop_size[0] + 1))
        left = int(rng.integers(0, width - crop_size[1] + 1))
        crop = cut(sample, top, left, crop_size)
        counts = np.bincount(crop.label_map.reshape(-1), minlength=256)[:UNLABELED]
        if counts.max() < max_class_share * max(1, counts.sum()):
            break
    return crop


def balanced_crop(
    sample: Sample, rng: np.random.Generator, crop_size: tuple[int, int], max_class_share: float = 1.0
) -> Sample:
    """Crop like `random_crop`, but around a random pixel of a random class: rare classes as often as road and sky."""
    classes = np.unique(sample.label_map[sample.label_map != UNLABELED])
    if not classes.size:
        return random_crop(sample, rng, crop_size, max_class_share)
    pixels = np.flatnonzero(sample.label_map == rng.choice(classes))
    row, column = divmod(int(rng.choice(pixels)), sample.label_map.shape[1])
    sample = pad(sample, crop_size)
    height, width = sample.label_map.shape
    top = int(rng.integers(max(0, row - crop_size[0] + 1), min(row, height - crop_size[0]) + 1))
    left = int(rng.integers(max(0, column - crop_size[1] + 1), min(column, width - crop_size[1]) + 1))
    return cut(sample, top, left, crop_size)


def pad(sample: Sample, least: tuple[int, int]) -> Sample:
    """Add mid-grey, ignored pixels at the right and bottom up to `least` (height, width)."""
    height, width = sample.label_map.shape
    below, right = max(0, least[0] - height), max(0, least[1] - width)
    return replace(
        sample,
        rgb=np.pad(sample.rgb, ((0, below), (0, right), (0, 0)), constant_values=114),
        label_map=np.pad(sample.label_map, ((0, below), (0, right)), constant_values=UNLABELED),
        instance_map=np.pad(sample.instance_map, ((0, below), (0, right))),
    )


def cut(sample: Sample, top: int, left: int, size: tuple[int, int]) -> Sample:
    """Cut the window of `size` (height, width) at (top, left), which must lie inside the sample."""
    return _view(sample, slice(top, top + size[0]), slice(left, left + size[1]))


def flip(sample: Sample) -> Sample:
    """Mirror left and right."""
    return _view(sample, slice(None), slice(None, None, -1))


def _view(sample: Sample, *window: slice) -> Sample:
    maps = {name: getattr(sample, name)[window] for name in ("rgb", "label_map", "instance_map")}
    return replace(sample, **maps)


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
    image = rgb.astype(np.float32)
    if rng.random() < 0.5:
        image += rng.uniform(-32 * strength, 32 * strength)
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        image *= rng.uniform(*factors)
    hsv = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV).astype(np.float32)
    if rng.random() < 0.5:
        hsv[..., 1] *= rng.uniform(*factors)
    if rng.random() < 0.5:
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-hue_shift / 2, hue_shift / 2)) % 180  # in units of 2 degrees
    image = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    if not contrast_first and rng.random() < 0.5:
        image *= rng.uniform(*factors)
    return np.clip(image, 0, 255).astype(np.uint8)


def adjust_gamma(rgb: np.ndarray, gamma: float) -> np.ndarray:
    """Return 255 · (rgb / 255) ** gamma as (H, W, 3) uint8; above 1 darkens, below 1 brightens."""
    table = 255 * (np.arange(256) / 255) ** gamma
    return cv2.LUT(rgb, np.round(table).astype(np.uint8))


def blur(rgb: np.ndarray, sigma: float) -> np.ndarray:
    """Convolve (H, W, 3) uint8 RGB with a Gaussian of standard deviation `sigma` in pixels, mirrored at the border."""
    if sigma == 0:
        return rgb
    return cv2.GaussianBlur(rgb, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
