"""Image files on disk.

Python reads and writes the bytes, OpenCV only decodes and encodes them: so an error says what failed, and a truncated
file is an error rather than a half-grey picture.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.errors import DataError

PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_END, _JPEG_END = b"IEND", b"\xff\xd9"
_TRAILER = 4096  # some programs append a few bytes of their own, some cameras pad with zeros
_PNG_COLOR_TYPE, _PALETTE = 25, 3


def read_pixels(path: Path, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """Read an image file as OpenCV decodes it.

    Args:
        path: File of any format that OpenCV knows.
        flags: `cv2.IMREAD_…`.

    Returns:
        (H, W) or (H, W, channels), BGR or BGRA, usually uint8 or uint16.

    Raises:
        DataError: The file is missing, empty, truncated or not an image.
    """
    return _decode(_read_bytes(path), path, flags)


def read_rgb(path: Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB. Raises DataError as `read_pixels` does."""
    return cv2.cvtColor(read_pixels(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_label_image(path: Path) -> np.ndarray:
    """Read a label image without changing its values.

    Returns:
        (H, W) uint8 or uint16 for a grey image, (H, W) uint8 palette indices for a palette PNG, (H, W, 3) uint8 RGB for
        a colour image.

    Raises:
        DataError: As `read_pixels`, and for a palette PNG without Pillow.
    """
    data = _read_bytes(path)
    if data.startswith(PNG_SIGNATURE) and data[_PNG_COLOR_TYPE] == _PALETTE:
        return _palette_indices(data, path)
    pixels = _decode(data, path, cv2.IMREAD_UNCHANGED)
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2RGB)


def read_label_images(*paths: Path) -> list[np.ndarray]:
    """Read several label images of one picture, each as `read_label_image` does.

    Raises:
        DataError: Some files cannot be read, all of which are listed, or the sizes differ.
    """
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


def encode_image(image: np.ndarray, suffix: str, options: Sequence[int] = ()) -> bytes:
    """Encode an image as the content of a file.

    Args:
        image: (H, W), or (H, W, 3) RGB; uint8, or uint16 for a PNG.
        suffix: Format, as the suffix of a file name: ".png", ".jpg", ".webp".
        options: `cv2.IMWRITE_…` keys and values in turn.
    """
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, pixels, options)[1].tobytes()


def write_image(path: Path, image: np.ndarray, options: Sequence[int] = ()) -> None:
    """Write an image in the format of the path's suffix; see `encode_image`. Raises OSError if writing fails."""
    content = encode_image(image, path.suffix, options)
    try:
        write_atomically(path, content, durable=False)
    except OSError as error:
        raise OSError(
            f"cannot write {path} ({error.strerror}): check that the folder is writable and the disk has room"
        ) from error


def size_of(image: np.ndarray) -> str:
    """Format width and height for a message: 640x480."""
    return f"{image.shape[1]}x{image.shape[0]}"


def is_truncated(data: bytes) -> bool:
    """Return whether a JPEG or PNG lacks its end, which OpenCV 4 would fill with grey; false for other formats.

    A PNG chunk that reaches beyond the data counts as well: OpenCV would allocate whatever its length claims.
    """
    if data.startswith(PNG_SIGNATURE):
        return not _has_png_end(data)
    return data.startswith(JPEG_SIGNATURE) and _JPEG_END not in data.rstrip(b"\0")[-_TRAILER:]


def _has_png_end(data: bytes) -> bool:
    """Follow the chunks (length, name, content, checksum) to the last one."""
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        name = data[position + 4 : position + 8]
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        if name == _PNG_END:
            return position <= len(data)
    return False


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if not data:
        raise DataError(f"{path} is empty")
    if is_truncated(data):
        raise DataError(f"{path} is truncated: its end is missing; copy or unpack it again")
    return data


def _decode(data: bytes, path: Path, flags: int) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise DataError(f"{path} cannot be read: it is corrupt or not an image")
    return pixels


def _palette_indices(data: bytes, path: Path) -> np.ndarray:
    """Read by Pillow, since OpenCV returns only the colours."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(f"{path} has a palette; reading it requires Pillow: pip install pillow") from None
    try:
        with Image.open(BytesIO(data)) as image:
            return np.array(image)
    except (OSError, SyntaxError) as error:  # Pillow's errors for corrupt PNGs
        raise DataError(f"{path} cannot be read: {error}") from error
