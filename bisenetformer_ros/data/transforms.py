"""Augmentation: random scale, crop, flip and the colour jitter of SSD (Liu et al., ECCV 2016).

Every function takes the generator that it draws from, so a sample depends on its seed alone.
"""

from dataclasses import replace

import cv2
import numpy as np

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.results import UNLABELED

_MAX_CLASS_SHARE = 0.75  # a crop of nothing but road teaches little; try again, but not forever
_CROP_TRIES = 10
_NEAREST = cv2.INTER_NEAREST_EXACT  # OpenCV's INTER_NEAREST shifts the labels by up to half a pixel against the image


def augment(
    sample: Sample,
    rng: np.random.Generator,
    crop_size: tuple[int, int],
    scale_range: tuple[float, float],
) -> Sample:
    """Random scale (log-uniform), crop to (height, width), padding where needed, flip and colour jitter."""
    scale = float(np.exp(rng.uniform(*np.log(scale_range))))
    sample = random_crop(rescale(sample, scale), rng, crop_size)
    if rng.random() < 0.5:
        sample = flip(sample)
    return replace(sample, rgb=jitter_colors(sample.rgb, rng))


def rescale(sample: Sample, scale: float) -> Sample:
    """Both sides times `scale`; labels take the nearest pixel."""
    height, width = sample.label_map.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return replace(
        sample,
        rgb=cv2.resize(sample.rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR),
        label_map=cv2.resize(sample.label_map, size, interpolation=_NEAREST),
        instance_map=cv2.resize(sample.instance_map, size, interpolation=_NEAREST),
    )


def random_crop(sample: Sample, rng: np.random.Generator, crop_size: tuple[int, int]) -> Sample:
    """A (height, width) window; pads right and bottom with mid-grey, ignored pixels where the image is smaller."""
    crop_height, crop_width = crop_size
    height, width = sample.label_map.shape
    below, right = max(0, crop_height - height), max(0, crop_width - width)
    rgb = np.pad(sample.rgb, ((0, below), (0, right), (0, 0)), constant_values=114)
    label_map = np.pad(sample.label_map, ((0, below), (0, right)), constant_values=UNLABELED)
    instance_map = np.pad(sample.instance_map, ((0, below), (0, right)))
    for _ in range(_CROP_TRIES):
        top = int(rng.integers(0, label_map.shape[0] - crop_height + 1))
        left = int(rng.integers(0, label_map.shape[1] - crop_width + 1))
        window = (slice(top, top + crop_height), slice(left, left + crop_width))
        counts = np.bincount(label_map[window].reshape(-1), minlength=256)[:UNLABELED]
        if counts.max() < _MAX_CLASS_SHARE * max(1, counts.sum()):
            break
    return replace(sample, rgb=rgb[window], label_map=label_map[window], instance_map=instance_map[window])


def flip(sample: Sample) -> Sample:
    """Mirrors left and right."""
    return replace(
        sample,
        rgb=sample.rgb[:, ::-1],
        label_map=sample.label_map[:, ::-1],
        instance_map=sample.instance_map[:, ::-1],
    )


def jitter_colors(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue, each with probability 1/2; (H, W, 3) uint8 → the same."""
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
        hsv[..., 0] = (hsv[..., 0] + rng.uniform(-9, 9)) % 180  # OpenCV's hue is in units of 2 degrees
    image = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    if not contrast_first and rng.random() < 0.5:
        image *= rng.uniform(0.5, 1.5)
    return np.clip(image, 0, 255).astype(np.uint8)
