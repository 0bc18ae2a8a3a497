"""Augmentation: random scale, crop, flip, the colour jitter of SSD (Liu et al., ECCV 2016) and gamma.

Each random function draws from the generator it is given, so a sample depends on its seed only.
"""

from dataclasses import replace

import cv2
import numpy as np

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.results import UNLABELED

_MAX_CLASS_SHARE = 0.75  # a crop of nothing but road teaches little: retry, at most _CROP_TRIES times
_CROP_TRIES = 10
_NEAREST = cv2.INTER_NEAREST_EXACT  # INTER_NEAREST shifts labels by up to half a pixel


def augment(
    sample: Sample,
    rng: np.random.Generator,
    crop_size: tuple[int, int],
    scale_range: tuple[float, float],
    balanced_share: float = 0.0,
    gamma_range: tuple[float, float] = (1.0, 1.0),
) -> Sample:
    """Apply random scale, crop, flip, colour jitter and gamma.

    Args:
        sample: The sample, which is not modified.
        rng: Source of all randomness.
        crop_size: (height, width); smaller images are padded.
        scale_range: Smallest and largest scale, drawn log-uniformly.
        balanced_share: Fraction of crops that are `balanced_crop`s, 0..1.
        gamma_range: Smallest and largest gamma, drawn log-uniformly.
    """
    scale = float(np.exp(rng.uniform(*np.log(scale_range))))
    sample = rescale(sample, scale)
    crop = balanced_crop if rng.random() < balanced_share else random_crop
    sample = crop(sample, rng, crop_size)
    if rng.random() < 0.5:
        sample = flip(sample)
    rgb = jitter_colors(sample.rgb, rng)
    return replace(sample, rgb=adjust_gamma(rgb, float(np.exp(rng.uniform(*np.log(gamma_range))))))


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


def random_crop(sample: Sample, rng: np.random.Generator, crop_size: tuple[int, int]) -> Sample:
    """Cut a random (height, width) window, padded at the right and bottom where the image is smaller."""
    sample = pad(sample, crop_size)
    height, width = sample.label_map.shape
    for _ in range(_CROP_TRIES):
        top = int(rng.integers(0, height - crop_size[0] + 1))
        left = int(rng.integers(0, width - crop_size[1] + 1))
        crop = cut(sample, top, left, crop_size)
        counts = np.bincount(crop.label_map.reshape(-1), minlength=256)[:UNLABELED]
        if counts.max() < _MAX_CLASS_SHARE * max(1, counts.sum()):
            break
    return crop


def balanced_crop(sample: Sample, rng: np.random.Generator, crop_size: tuple[int, int]) -> Sample:
    """Crop like `random_crop`, but around a random pixel of a random class: rare classes as often as road and sky."""
    classes = np.unique(sample.label_map[sample.label_map != UNLABELED])
    if not classes.size:
        return random_crop(sample, rng, crop_size)
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


def jitter_colors(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast, saturation and hue of (H, W, 3) uint8 RGB, each with probability 1/2."""
    image = rgb.astype(np.float32)
    if rng.random() < 0.5:
        image += rng.uniform(-32, 32)
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        image *= rng.uniform(0.5, 1.5)
    hsv = cv2.cvtColor(np.clip(image, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV).astype(np.float32)
    if rng.random() < 0.5:
        hsv[..., 1] *= rng.uniform(0.5, 1.5)
    if rng.random() < 0.5:
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-9, 9)) % 180  # hue in units of 2 degrees
    image = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    if not contrast_first and rng.random() < 0.5:
        image *= rng.uniform(0.5, 1.5)
    return np.clip(image, 0, 255).astype(np.uint8)


def adjust_gamma(rgb: np.ndarray, gamma: float) -> np.ndarray:
    """Return 255 · (rgb / 255) ** gamma as (H, W, 3) uint8; above 1 darkens, below 1 brightens."""
    table = 255 * (np.arange(256) / 255) ** gamma
    return cv2.LUT(rgb, np.round(table).astype(np.uint8))
