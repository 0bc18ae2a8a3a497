"""sensor_msgs/CompressedImage → RGB or labels, as image_transport and camera drivers send it: JPEG and PNG.

The messages may be rclpy's, which the node gets, or those of any other library with the same fields, as from a bag.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from bisenetformer_ros.images.raw import ENCODINGS, MAX_PIXELS, BadFrameError, decode_image, quoted

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND"
_JPEG = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of the segments that hold the size (ITU-T T.81, table B.1: SOF0 to SOF15)."""
_JPEG_STANDALONE = {0x00, 0x01, *range(0xD0, 0xD9)}
"""Markers without a segment, and no marker at all: TEM, RST0 to RST7, SOI; a stuffed byte."""


class CompressedImage(Protocol):
    """sensor_msgs/CompressedImage. data: any buffer of bytes."""

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
    """Returns the picture as (H, W, 3) uint8 RGB, in the orientation of the sensor whatever EXIF says.

    The `format` of image_transport tells of mosaics ("bayer_rggb8; png compressed ") and of the order of the channels
    ("rgb8; png compressed rgb8"); the kind of file is read from the data. 16 bits are scaled to 8.
    Raises BadFrameError for data that is no JPEG or PNG, or only a part of one, or too large.
    """
    pixels = _decode_file(message)
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=255 / 65535)  # as mono16 is
    height, width = pixels.shape[:2]
    encoding = _encoding(message.format, channels=pixels[0, 0].size)
    return decode_image(_RawImage(height, width, encoding, pixels.size // height, pixels.reshape(-1)))


def decode_compressed_values(message: CompressedImage) -> np.ndarray:
    """The numbers of a label image in a PNG of one channel, (H, W) uint8 or uint16. Raises BadFrameError."""
    if bytes(message.data[: len(_PNG)]) != _PNG:
        raise BadFrameError(
            "unknown_encoding", f"format {quoted(message.format)} does not keep labels exactly; expected png"
        )
    values = _decode_file(message)
    if values.ndim != 2:
        raise BadFrameError("unknown_encoding", f"a PNG with labels has one channel, this one {values.shape[2]}")
    return values


def _encoding(form: str, channels: int) -> str:
    """What the decoded file is as a raw image of 8 bits; OpenCV takes a file's colours for BGR."""
    stored = form.partition(";")[0].strip().replace("16", "8")
    if channels == 1:
        return stored if stored.startswith("bayer_") and stored in ENCODINGS else "mono8"
    order = "rgb" if "compressed rgb" in form else "bgr"
    return f"{order}8" if channels == 3 else f"{order}a8"


def _decode_file(message: CompressedImage) -> np.ndarray:
    """(H, W) or (H, W, 3 or 4), uint8 or uint16."""
    data = bytes(message.data)
    described = f"{len(data)} bytes of format {quoted(message.format)}"
    if not data.startswith((_PNG, _JPEG)):
        raise BadFrameError("unknown_encoding", f"{described} are neither a JPEG nor a PNG")
    is_png = data.startswith(_PNG)
    width, height = _png_size(data) if is_png else _jpeg_size(data)
    if width * height > MAX_PIXELS:
        limit = f"a picture has at most {MAX_PIXELS} pixels"
        raise BadFrameError("too_large", f"{described} claim to be {width}x{height}; {limit}")
    # OpenCV 4 paints what is missing grey, and takes as much memory as a chunk claims to need.
    whole = width * height > 0 and (_png_is_whole(data) if is_png else _jpeg_is_whole(data))
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if whole else None
    if pixels is None:
        raise BadFrameError("damaged_file", f"{described} are not one whole image file")
    return pixels


def _png_size(data: bytes) -> tuple[int, int]:
    """(width, height) from the first chunk, (0, 0) if that is another one."""
    if data[12:16] != b"IHDR":
        return 0, 0
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _png_is_whole(data: bytes) -> bool:
    """Whether chunk follows upon chunk up to the last one: length, name, content, check sum."""
    position = len(_PNG)
    while position + 12 <= len(data):
        name = data[position + 4 : position + 8]
        position += 12 + int.from_bytes(data[position : position + 4], "big")
        if name == _PNG_END:
            return position <= len(data)
    return False


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """(width, height) from the frame header, (0, 0) if there is none. What lies between segments is passed over, as
    the decoder does: else it would find another header than this."""
    position = len(_JPEG)
    while 0 <= (position := data.find(b"\xff", position)) <= len(data) - 9:
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker == 0xFF:  # any number of which may come before a marker
            position += 1
        elif marker in _JPEG_STANDALONE:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return 0, 0


def _jpeg_is_whole(data: bytes) -> bool:
    """By its end. Some cameras fill up with zeros."""
    return data.rstrip(b"\0").endswith(_JPEG_END)
