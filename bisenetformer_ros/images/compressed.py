"""sensor_msgs/CompressedImage → RGB or label values: JPEG and PNG, as image_transport and camera drivers send them.

Messages may be rclpy's or those of any library with the same fields, such as one that reads bags.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from bisenetformer_ros.images.files import JPEG_SIGNATURE, PNG_SIGNATURE, is_truncated
from bisenetformer_ros.images.raw import ENCODINGS, MAX_PIXELS, BadFrameError, decode_image, quoted

_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers, which hold the size (ITU-T T.81, table B.1: SOF0 to SOF15)."""
_JPEG_STANDALONE = {0x00, 0x01, *range(0xD0, 0xD9)}
"""Markers without a segment (TEM, RST0 to RST7, SOI), and the stuffed byte, which is no marker."""


class CompressedImage(Protocol):
    """sensor_msgs/CompressedImage; `data` is any buffer of bytes."""

    format: str
    data: Any


@dataclass
class _RawImage:
    """The fields of a sensor_msgs/Image without padding."""

    height: int
    width: int
    encoding: str
    step: int
    data: np.ndarray
    is_bigendian: int = 0


def decode_compressed(message: CompressedImage) -> np.ndarray:
    """Decode a picture.

    image_transport's `format` states Bayer mosaics ("bayer_rggb8; png compressed ") and the channel order
    ("rgb8; png compressed rgb8"); the file type is read from the data. 16 bits are scaled to 8. EXIF orientation is
    ignored, since the camera's calibration belongs to the sensor.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BadFrameError: The data is not a JPEG or PNG, is truncated or corrupt, or the picture is too large.
    """
    pixels = _decode_file(message)
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / 65535)  # as mono16 is
    height, width = pixels.shape[:2]
    encoding = _encoding(message.format, channels=pixels[0, 0].size)
    return decode_image(_RawImage(height, width, encoding, pixels.size // height, pixels.reshape(-1)))


def decode_compressed_values(message: CompressedImage) -> np.ndarray:
    """Decode the values of a label image, a PNG with one channel: (H, W) uint8 or uint16. Raises BadFrameError."""
    if bytes(message.data[: len(PNG_SIGNATURE)]) != PNG_SIGNATURE:
        raise BadFrameError(
            "unknown_encoding", f"format {quoted(message.format)} does not preserve label values; expected png"
        )
    values = _decode_file(message)
    if values.ndim != 2:
        raise BadFrameError("unknown_encoding", f"expected a label PNG with one channel, got {values.shape[2]}")
    return values


def _encoding(form: str, channels: int) -> str:
    """Return the encoding of the decoded file as a raw 8-bit image; OpenCV takes a file's colours for BGR."""
    stored = form.partition(";")[0].strip().replace("16", "8")
    if channels == 1:
        return stored if stored.startswith("bayer_") and stored in ENCODINGS else "mono8"
    order = "rgb" if "compressed rgb" in form else "bgr"
    return f"{order}8" if channels == 3 else f"{order}a8"


def _decode_file(message: CompressedImage) -> np.ndarray:
    """Decode to (H, W) or (H, W, 3 or 4), uint8 or uint16."""
    data = bytes(message.data)
    described = f"{len(data)} bytes of format {quoted(message.format)}"
    if not data.startswith((PNG_SIGNATURE, JPEG_SIGNATURE)):
        raise BadFrameError("unknown_encoding", f"{described} are neither a JPEG nor a PNG")
    width, height = _png_size(data) if data.startswith(PNG_SIGNATURE) else _jpeg_size(data)
    if width * height > MAX_PIXELS:
        limit = f"expected at most {MAX_PIXELS} pixels"
        raise BadFrameError("too_large", f"{described} claim to be {width}x{height}; {limit}")
    usable = width * height > 0 and not is_truncated(data)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if usable else None
    if pixels is None:
        raise BadFrameError("damaged_file", f"{described}: truncated or corrupt image")
    return pixels


def _png_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the first chunk, (0, 0) if that is not the header."""
    if data[12:16] != b"IHDR":
        return 0, 0
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the frame header, (0, 0) if there is none.

    Bytes between segments are skipped as libjpeg skips them; otherwise it would find another header than this function.
    """
    position = len(JPEG_SIGNATURE)
    while 0 <= (position := data.find(b"\xff", position)) <= len(data) - 9:
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker == 0xFF:  # any number of these may precede a marker
            position += 1
        elif marker in _JPEG_STANDALONE:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0, 0
