"""sensor_msgs/CompressedImage → RGB or label values: JPEG, PNG and WebP, as image_transport and drivers send them.

Messages may be rclpy's or those of any library with the same fields, such as one that reads bags.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from bisenetformer_ros.images.files import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    TRUNCATED,
    is_truncated,
    is_webp,
    jpeg_markers,
    label_values,
    without_color,
)
from bisenetformer_ros.images.raw import (
    ENCODINGS,
    MAX_PIXELS,
    BadFrameError,
    DecodingReport,
    check_not_depth,
    decode_image,
    quoted,
    scale_to_8_bits,
)

_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers, which hold the size (ITU-T T.81, table B.1: SOF0 to SOF15)."""
_VIDEO = re.compile(r"h\.?26[45]|x26[45]|hevc|avc|av1|vp[89]|mpeg|ffmpeg", re.IGNORECASE)
_START_CODES = b"\0\0\0\1", b"\0\0\1"
"""What a packet of H.264 or H.265 begins with (ITU-T H.264, annex B)."""

JpegDecoder = Callable[[bytes], np.ndarray | None]
"""Decodes a complete JPEG to (H, W) grey or (H, W, 3) BGR, uint8; returns None for one that OpenCV has to decode."""


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


def decode_compressed(
    message: CompressedImage,
    bit_depth: int = 16,
    report: DecodingReport | None = None,
    decode_jpeg: JpegDecoder | None = None,
) -> np.ndarray:
    """Decode a picture.

    image_transport's `format` states the encoding of the camera's image ("bayer_rggb8; png compressed ") and the
    channel order of the file ("rgb8; png compressed rgb8"); the file type is read from the data. EXIF orientation is
    ignored, since the camera's calibration belongs to the sensor.

    Args:
        message: The image.
        bit_depth: Significant bits of 16-bit samples; see `decode_image`.
        report: Updated with what the image shows.
        decode_jpeg: Tried on JPEGs before OpenCV.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BadFrameError: A depth image, a video packet, no JPEG, PNG or WebP, a truncated or corrupt file, or too large a
            picture.
    """
    _check_depth(message)
    pixels = _decode_file(message, decode_jpeg)
    if report:
        report.note_encoding(_stored_encoding(message.format))
    if pixels.dtype == np.uint16:
        pixels = scale_to_8_bits(pixels, bit_depth, report)
    height, width = pixels.shape[:2]
    encoding = _encoding(message.format, channels=pixels[0, 0].size)
    return decode_image(_RawImage(height, width, encoding, pixels.size // height, pixels.reshape(-1)))


def decode_compressed_values(message: CompressedImage) -> np.ndarray:
    """Decode the values of a label image, a PNG with one channel: (H, W) uint8 or uint16. Raises BadFrameError."""
    if bytes(message.data[: len(PNG_SIGNATURE)]) != PNG_SIGNATURE:
        raise BadFrameError(
            "unknown_encoding", f"format {quoted(message.format)} does not preserve label values; expected png"
        )
    values = without_color(label_values(bytes(message.data), _decode_file(message)))
    if values.ndim != 2:
        raise BadFrameError("unknown_encoding", f"expected a label PNG with one channel, got {values.shape[2]}")
    return values


REPUBLISH_VIDEO = "run image_transport's `republish` from ffmpeg to raw (package ffmpeg_image_transport)"


def _check_depth(message: CompressedImage) -> None:
    if "compressedDepth" in message.format:
        raise BadFrameError(
            "unknown_encoding",
            f"format {quoted(message.format)} is a depth image; expected colour or grey: use the camera's image topic "
            "(image_transport's `republish` from compressedDepth to raw unpacks the depth)",
        )
    check_not_depth("format", message.format)


def _stored_encoding(form: str) -> str:
    """Return the encoding of the camera's image that image_transport states; any text from other senders."""
    return form.partition(";")[0].strip()


def _encoding(form: str, channels: int) -> str:
    """Return the encoding of the decoded file as a raw 8-bit image; OpenCV takes a file's colours for BGR."""
    stored = _stored_encoding(form).replace("16", "8")
    if channels == 1:
        return stored if stored.startswith("bayer_") and stored in ENCODINGS else "mono8"
    order = "rgb" if "compressed rgb" in form else "bgr"
    return f"{order}8" if channels == 3 else f"{order}a8"


def _decode_file(message: CompressedImage, decode_jpeg: JpegDecoder | None = None) -> np.ndarray:
    """Decode to (H, W) or (H, W, 3 or 4), uint8 or uint16."""
    data = bytes(message.data)
    described = f"an image of {len(data)} bytes and format {quoted(message.format)}"
    size = next((size for is_format, size in _FORMATS if is_format(data)), None)
    if size is None:
        remedy = ""
        if _VIDEO.search(message.format) or data.startswith(_START_CODES):
            remedy = f": it is a packet of a video; {REPUBLISH_VIDEO} and subscribe to its output"
        raise BadFrameError("unknown_encoding", f"{described} is neither JPEG, PNG nor WebP{remedy}")
    width, height = size(data)
    if width * height > MAX_PIXELS:
        limit = f"expected at most {MAX_PIXELS} pixels"
        raise BadFrameError("too_large", f"{described} claims to be {width}x{height}; {limit}")
    if is_truncated(data):
        raise BadFrameError("damaged_file", f"{described} {TRUNCATED}")
    pixels = decode_jpeg(data) if decode_jpeg is not None and data.startswith(JPEG_SIGNATURE) else None
    if pixels is None and width * height:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise BadFrameError("damaged_file", f"{described} is corrupt")
    return pixels


def _png_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the first chunk, (0, 0) if that is not the header."""
    if data[12:16] != b"IHDR":
        return 0, 0
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the frame header, (0, 0) if there is none."""
    for marker, position in jpeg_markers(data):
        if marker in _JPEG_FRAMES:
            height, width = data[position + 3 : position + 5], data[position + 5 : position + 7]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
    return 0, 0


def _webp_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) from the first chunk, (0, 0) if it is unknown (RFC 9649)."""
    chunk, header = data[12:16], data[20:30]
    if chunk == b"VP8X":  # width - 1 and height - 1 with 24 bits each
        return 1 + int.from_bytes(header[4:7], "little"), 1 + int.from_bytes(header[7:10], "little")
    if chunk == b"VP8L":  # a signature, then width - 1 and height - 1 with 14 bits each
        bits = int.from_bytes(header[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":  # a frame tag and a start code, then 14 bits of 16 each
        return int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:10], "little") & 0x3FFF
    return 0, 0


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], tuple[int, int]]], ...] = (
    (lambda data: data.startswith(JPEG_SIGNATURE), _jpeg_size),
    (lambda data: data.startswith(PNG_SIGNATURE), _png_size),
    (is_webp, _webp_size),
)
