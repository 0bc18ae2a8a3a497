"""From camera images of any size to the input of the network."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.numbers import counted
from bisenetformer_ros.results import ImageGeometry

MAX_ASPECT = 4
"""With an int input size, the longer side is limited to this multiple of it."""


def plan_geometry(
    image_size: tuple[int, int], input_size: int | tuple[int, int] | None, stride: int = 32
) -> ImageGeometry:
    """Plan how an image is resized and padded; the aspect ratio is kept.

    Args:
        image_size: (height, width) in pixels, each at least 1.
        input_size: None keeps the camera's size; an int is the length of the shorter side, with the longer side limited
            to MAX_ASPECT times that; (height, width) is a box that the image is fitted into and padded to.
        stride: The padded size is a multiple of this.

    Raises:
        InputError: The image is empty.
        ConfigError: The input size is below 1.
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


def preprocess(frames: Sequence[np.ndarray], geometry: ImageGeometry, pixel_mean: Sequence[float]) -> torch.Tensor:
    """Resize and pad images.

    Args:
        frames: B images (H, W, 3) uint8 RGB.
        geometry: Plan for images of this size.
        pixel_mean: R, G, B, 0..255; fills the padding, so that it is zero after the network's normalization.

    Returns:
        (B, 3, padded height, padded width) float32, 0..255, channels last in memory.

    Raises:
        InputError: The frames are not such images, or not of the geometry's size.
    """
    image_size = check_frames(frames)
    if image_size != geometry.image_size:
        raise InputError(f"expected images of (height, width) {geometry.image_size}, got {image_size}")
    height, width = geometry.resized_size
    canvas = np.empty((len(frames), *geometry.padded_size, 3), np.float32)
    for image, rgb in zip(canvas, frames, strict=True):
        image[:height, :width] = _resize(rgb, geometry.resized_size)
    canvas[:, height:] = pixel_mean
    canvas[:, :height, width:] = pixel_mean
    return torch.from_numpy(canvas).permute(0, 3, 1, 2)


def check_frames(frames: Sequence[np.ndarray]) -> tuple[int, int]:
    """Return the (height, width) of all frames.

    Raises:
        InputError: There are no frames, they differ in size, or one is not a non-empty (H, W, 3) uint8 array.
    """
    if not len(frames):
        raise InputError("expected at least one frame, got none")
    for frame in frames:
        _check_rgb(frame)
    sizes = {frame.shape[:2] for frame in frames}
    if len(sizes) > 1:
        raise InputError(f"expected frames of one (height, width), got {', '.join(map(str, sorted(sizes)))}")
    return sizes.pop()


def _check_rgb(rgb: Any) -> None:
    is_list = isinstance(rgb, (list, tuple)) and len(rgb) > 0 and isinstance(rgb[0], np.ndarray)
    if is_list or getattr(rgb, "ndim", 3) == 4:
        raise InputError(
            f"expected one image (H, W, 3), got {counted(len(rgb), 'image')}; segment them one by one: "
            "[segmenter(image) for image in images]"
        )
    if not isinstance(rgb, np.ndarray):
        raise InputError(f"expected an image as a numpy array (H, W, 3) of uint8, got {type(rgb).__name__}")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise InputError(
            f"expected a non-empty RGB image of shape (H, W, 3) and type uint8, got shape {rgb.shape}, {rgb.dtype}"
        )


def _resize(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize in float32: on bytes, OpenCV's bilinear interpolation is off by one in up to every eighth value."""
    if rgb.shape[:2] == size:
        return rgb
    shrinks = size[0] * size[1] < rgb.shape[0] * rgb.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(rgb.astype(np.float32), size[::-1], interpolation=interpolation)


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _round_up(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    return -(-size[0] // multiple) * multiple, -(-size[1] // multiple) * multiple
