"""Image files on disk.

Python reads and writes the bytes, OpenCV only decodes and encodes them: so an error says what failed, and a truncated
file is an error rather than a half-grey picture.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import DataError

PNG_SIGNATURE, JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_END = b"IEND"
TRUNCATED = "is truncated: its end is missing"
"""What error messages say of data for which `is_truncated` is true."""
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # not a stuffed byte, a fill byte or a restart within a scan
_JPEG_START, _JPEG_END, _JPEG_TEM = 0xD8, 0xD9, 0x01
_EXIF_ORIENTATION = 0x0112
_PALETTE, _GREY = b"\3", (b"\0", b"\4")
"""Colour types of PNGs."""


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
    """Read an image file as (H, W, 3) uint8 RGB, turned upright by its EXIF orientation.

    Raises:
        DataError: As `read_pixels`.
    """
    return cv2.cvtColor(read_pixels(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def exif_orientation(path: Path) -> int:
    """Return the EXIF orientation that `read_rgb` applies, 1 to 8; 1, upright, without EXIF or without Pillow."""
    with suppress(Exception):  # Pillow declares no set of errors for corrupt EXIF
        from PIL import Image

        with Image.open(BytesIO(path.read_bytes())) as image:
            return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    return 1


def explain_orientation(path: Path | None) -> str:
    """Explain in an error message why an image and its label image may differ in size; "" if EXIF is not the reason."""
    orientation = 1 if path is None else exif_orientation(path)
    if orientation == 1:
        return ""
    return (
        f"; the image is turned by its EXIF orientation {orientation}: turn the label image likewise, or remove the "
        "orientation from the image"
    )


def read_label_image(path: Path) -> np.ndarray:
    """Read a label image without changing its values; alpha and EXIF orientation are ignored.

    Returns:
        (H, W) uint8 or uint16 for a grey image of 1 to 16 bits, (H, W) uint8 palette indices for a palette PNG,
        (H, W, 3) uint8 or uint16 RGB for a colour image.

    Raises:
        DataError: As `read_pixels`, for other types of pixels, and for a palette PNG without Pillow.
    """
    data = _read_bytes(path)
    if _png_depth_and_color(data)[1:] == _PALETTE:
        return _palette_indices(data, path)
    pixels = _decode(data, path, cv2.IMREAD_UNCHANGED)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path} has {pixels.dtype} pixels, expected 8 or 16 bits")
    pixels = label_values(data, pixels)
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2RGB)


def label_values(data: bytes, pixels: np.ndarray) -> np.ndarray:
    """Restore the values of a grey PNG, of which OpenCV scales 1, 2 and 4 bits to 8, and repeats those with alpha.

    Args:
        data: The file.
        pixels: As OpenCV decodes it.
    """
    depth_and_color = _png_depth_and_color(data)
    if depth_and_color[1:] not in _GREY:
        return pixels
    values = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., 0])
    depth = depth_and_color[0]
    return values if depth >= 8 else values // np.uint8(255 // (2**depth - 1))


def without_color(image: np.ndarray) -> np.ndarray:
    """Return the numbers of a label image, (H, W), also if an editor has stored them as R = G = B; else the colours."""
    if image.ndim == 3 and (image == image[..., :1]).all():
        return np.ascontiguousarray(image[..., 0])
    return image


def instance_numbers(image: np.ndarray, path: Path) -> np.ndarray:
    """Convert a label image to (H, W) int32 instance numbers; colours are R + 256 G + 65536 B.

    Raises:
        DataError: The colours have more than 8 bits each; the message names `path`.
    """
    if image.ndim == 2:
        return image.astype(np.int32)
    require_8_bits(image, path)
    return image.astype(np.int32) @ (1, 256, 65536)


def require_8_bits(colors: np.ndarray, path: Path) -> None:
    """Raise DataError, which names `path`, for colours of more than 8 bits per channel."""
    if colors.dtype != np.uint8:
        raise DataError(f"{path} has colours of 16 bits per channel, expected 8")


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
        require_same_size(image, path, images[0], paths[0])
    return images


def require_same_size(image: np.ndarray, path: Path, other: np.ndarray, other_path: Path) -> None:
    """Raise DataError, which names the paths, if two label images differ in size."""
    if image.shape[:2] != other.shape[:2]:
        raise DataError(f"{path} is {size_of(image)}, {other_path} is {size_of(other)}; expected the same size")


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
    """Return whether a JPEG, PNG or WebP lacks its end, which OpenCV 4 would fill with grey; false for other formats.

    Bytes behind the end are ignored, since cameras and proxies pad. An end marker in the thumbnail of a JPEG is not the
    end of the picture. A PNG chunk that reaches beyond the data counts as truncated: OpenCV would allocate whatever its
    length claims.
    """
    if data.startswith(PNG_SIGNATURE):
        return not _has_png_end(data)
    if data.startswith(JPEG_SIGNATURE):
        ends = (marker for marker, _ in jpeg_markers(data) if marker in (_JPEG_START, _JPEG_END))
        return next(ends, None) != _JPEG_END  # a second start belongs to the next picture of a stream
    return is_webp(data) and len(data) < 8 + int.from_bytes(data[4:8], "little")


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the markers behind the start of a JPEG, each with the position behind it (ITU-T T.81, annex B).

    Segments are skipped by their length, and so are thumbnails in them. Bytes between segments are skipped as libjpeg
    skips them; otherwise it would find other markers than this function.
    """
    position = len(JPEG_SIGNATURE)
    while match := _JPEG_MARKER.search(data, position):
        position = match.end()
        marker = data[position - 1]
        yield marker, position
        if marker not in (_JPEG_START, _JPEG_END, _JPEG_TEM):
            position += max(int.from_bytes(data[position : position + 2], "big"), 2)


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
    except ValueError as error:  # a NUL in the path
        raise DataError(f"{path} cannot be read: {error}") from error
    if not data:
        raise DataError(f"{path} is empty")
    if is_truncated(data):
        raise DataError(f"{path} {TRUNCATED}; copy or unpack it again")
    return data


def _decode(data: bytes, path: Path, flags: int) -> np.ndarray:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # more than 2^30 pixels
        raise DataError(f"{path} cannot be read: it is corrupt or too large") from None
    if pixels is None:
        raise DataError(f"{path} cannot be read: it is corrupt or not an image")
    return pixels


def _png_depth_and_color(data: bytes) -> bytes:
    """Return the bytes of the bit depth and the colour type; none for other formats and headers."""
    return data[24:26] if data.startswith(PNG_SIGNATURE) else b""


def _palette_indices(data: bytes, path: Path) -> np.ndarray:
    """Read by Pillow, since OpenCV returns only the colours."""
    try:
        from PIL import Image
    except ImportError:
        raise DataError(f"{path} has a palette; reading it requires Pillow: {pip_install('pillow')}") from None
    try:
        with Image.open(BytesIO(data)) as image:
            return np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's, for corrupt PNGs
        raise DataError(f"{path} cannot be read: {error}") from error
