"""Reads images and label images from disk; a file that is cut short is an error, not a half grey picture."""

from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.errors import DataError

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_LAST_BYTES = {_PNG: b"IEND\xaeB`\x82", _JPEG: b"\xff\xd9"}
_TAIL = 4096  # some programs write a few bytes of their own behind the end of the image
_PNG_COLOR_TYPE, _PALETTE = 25, 3


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8. Raises DataError for a missing or damaged file."""
    return cv2.cvtColor(_decode(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_label_image(path: Path) -> np.ndarray:
    """(H, W) uint8 or uint16, numbers or the indices of a palette PNG; (H, W, 3) uint8 RGB for a picture in colours.

    Raises DataError for a missing or damaged file.
    """
    require_whole(path)
    if _is_palette_png(path):
        return _read_palette_indices(path)
    pixels = _decode(path, cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2RGB)


def read_label_images(*paths: Path) -> list[np.ndarray]:
    """Several label images of one picture. Raises DataError about all that cannot be read, or if their sizes differ."""
    images, problems = [], []
    for path in paths:
        try:
            images.append(read_label_image(path))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("; ".join(problems))
    for path, image in zip(paths, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            raise DataError(f"{path} is {size_of(image)}, {paths[0]} is {size_of(images[0])}; expected the same size")
    return images


def require_whole(path: Path) -> None:
    """Raises DataError for a file that is missing or empty, and for a JPEG or PNG whose end OpenCV would make up."""
    try:
        with open(path, "rb") as stream:
            head = stream.read(len(_PNG))
            stream.seek(max(0, path.stat().st_size - _TAIL))
            tail = stream.read()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise DataError(f"{path} is empty")
    for signature, last_bytes in _LAST_BYTES.items():
        if head.startswith(signature) and last_bytes not in tail:
            raise DataError(f"{path} is cut short: its end is missing; copy or unpack it again")


def size_of(image: np.ndarray) -> str:
    """Width and height: 640x480."""
    return f"{image.shape[1]}x{image.shape[0]}"


def _decode(path: Path, flags: int) -> np.ndarray:
    require_whole(path)
    pixels = cv2.imread(str(path), flags)
    if pixels is None:
        raise DataError(f"{path} cannot be read: it is damaged or not an image")
    return pixels


def _is_palette_png(path: Path) -> bool:
    with open(path, "rb") as stream:
        header = stream.read(_PNG_COLOR_TYPE + 1)
    return header.startswith(_PNG) and header[-1] == _PALETTE


def _read_palette_indices(path: Path) -> np.ndarray:
    """OpenCV has only their colours."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(f"{path} has a palette, which takes Pillow to read: pip install pillow") from None
    try:
        with Image.open(path) as image:
            return np.array(image)
    except (OSError, SyntaxError) as error:  # Pillow's errors for damaged PNGs
        raise DataError(f"{path} cannot be read: {error}") from error
