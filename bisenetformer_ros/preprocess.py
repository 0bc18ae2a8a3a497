"""From a camera image of any size to the input of the network."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.results import ImageGeometry

MAX_ASPECT = 4
"""With an int input size, the longer side becomes at most this many times the shorter one asked for."""


def plan_geometry(
    image_size: tuple[int, int], input_size: int | tuple[int, int] | None, stride: int = 32
) -> ImageGeometry:
    """Decides how an image reaches the network; the aspect is kept, and padding fills up to multiples of `stride`.

    image_size: (height, width) in pixels, each at least 1.
    input_size: None keeps the camera's size; an int is the length of the shorter side (the longer one stays within
    MAX_ASPECT times that); (height, width) is a box the image is fitted into and padded to.
    Raises InputError for an empty image and ConfigError for an input size below 1.
    """
    height, width = image_size
    if height < 1 or width < 1:
        raise InputError(f"expected an image of at least 1x1 pixels, got {width}x{height} (width x height)")
    if input_size is None:
        resized = (height, width)
        return ImageGeometry(resized, resized, _round_up(resized, stride))
    if np.min(input_size) < 1:
        raise ConfigError(f"expected an input size of at least 1, got {input_size}")
    if isinstance(input_size, int):
        scale = min(input_size / min(height, width), MAX_ASPECT * input_size / max(height, width))
        resized = _scaled(image_size, scale)
        return ImageGeometry((height, width), resized, _round_up(resized, stride))
    scale = min(input_size[0] / height, input_size[1] / width)
    return ImageGeometry((height, width), _scaled(image_size, scale), _round_up(input_size, stride))


def preprocess(rgb: np.ndarray, geometry: ImageGeometry, pixel_mean: Sequence[float]) -> torch.Tensor:
    """Resizes and pads an image as `geometry` says.

    rgb: (H, W, 3) uint8. pixel_mean: R, G, B, 0..255; it fills the padding, which is therefore zero once the network
    has normalized its input.
    Returns (1, 3, padded height, padded width) float32, 0..255, channels last in memory.
    Raises InputError if `rgb` is not such an image, or not of the size the geometry was made for.
    """
    check_image(rgb)
    if rgb.shape[:2] != geometry.image_size:
        raise InputError(f"expected an image of (height, width) {geometry.image_size}, got {rgb.shape[:2]}")
    height, width = geometry.resized_size
    if geometry.resized_size != geometry.image_size:
        shrinks = height * width < rgb.shape[0] * rgb.shape[1]
        rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    canvas = np.empty((*geometry.padded_size, 3), np.float32)
    canvas[:height, :width] = rgb
    canvas[height:] = pixel_mean
    canvas[:height, width:] = pixel_mean
    return torch.from_numpy(canvas).permute(2, 0, 1)[None]


def check_image(rgb: np.ndarray) -> None:
    """Raises InputError unless `rgb` is a (H, W, 3) uint8 array with at least one pixel."""
    if not isinstance(rgb, np.ndarray):
        raise InputError(f"expected an image as a numpy array (H, W, 3) of uint8, got {type(rgb).__name__}")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise InputError(
            f"expected an RGB image of shape (H, W, 3), uint8 and not empty, got shape {rgb.shape}, {rgb.dtype}"
        )


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _round_up(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple
