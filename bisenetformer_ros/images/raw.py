"""sensor_msgs/Image → RGB or label values, including row padding, byte order and odd sizes.

Messages may be rclpy's or those of any library with the same fields, such as one that reads bags.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from bisenetformer_ros.errors import InputError

MAX_PIXELS = 2**26
"""More than any camera has; a message of a few kilobytes may claim to be a picture of gigabytes."""

_STRIDE = 32
"""The network pads each side to a multiple of this."""
_QUOTED = 40


class Image(Protocol):
    """sensor_msgs/Image; `data` is any buffer of bytes."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class BadFrameError(InputError):
    """A message without a usable image; `kind` names the fault in drop counters, such as `bad_input.zero_size`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def quoted(text: str) -> str:
    """Quote a sender's text for an error message: it may be of any length and contain anything."""
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")


@dataclass(frozen=True)
class _Packed:
    """An encoding with interleaved channels: `item_bytes` per pixel; `to_rgb` takes the (H, W, item_bytes) rows."""

    item_bytes: int
    to_rgb: Callable[[np.ndarray, Image], np.ndarray]


def decode_image(message: Image) -> np.ndarray:
    """Decode a picture; mono16 is scaled from 0..65535 to 0..255.

    Returns:
        (H, W, 3) uint8 RGB; for rgb8 a view of the message's data.

    Raises:
        BadFrameError: `check_message` rejects the message, or a subsampled image has no colour samples.
    """
    check_message(message)
    if message.encoding in _SEMI_PLANAR:
        return _decode_semi_planar(message, _SEMI_PLANAR[message.encoding])
    packed = _PACKED[message.encoding]
    shape = (message.height, message.width, packed.item_bytes)
    rows = np.ndarray(shape, np.uint8, message.data, strides=(message.step, packed.item_bytes, 1))
    return packed.to_rgb(rows, message)


def check_message(message: Image) -> None:
    """Check that the fields of a message are consistent and its encoding is one of ENCODINGS.

    Raises:
        BadFrameError: The image is empty or too large, its encoding is unknown, `step` is shorter than a row, or the
            data does not have the length that `step` and `height` imply.
    """
    _check_size(message)
    if message.encoding not in ENCODINGS:
        raise BadFrameError(
            "unknown_encoding",
            f"encoding {quoted(message.encoding)} is not supported; expected one of {', '.join(ENCODINGS)}",
        )
    if message.encoding in _SEMI_PLANAR:
        _check_step(message, message.width)
        lines = (message.height + (message.height + 1) // 2, message.height + message.height // 2)
        _check_length(message, *(message.step * count for count in lines))
    else:
        _check_step(message, message.width * _PACKED[message.encoding].item_bytes)
        _check_length(message, message.step * message.height)
    width, height = (-(-side // _STRIDE) * _STRIDE for side in (message.width, message.height))
    if width * height > MAX_PIXELS:  # a single row of two million pixels is 64 million for the network
        came = f"got {message.width}x{message.height}"
        raise BadFrameError(
            "too_large", f"expected at most {MAX_PIXELS} pixels with sides padded to multiples of {_STRIDE}, {came}"
        )


def decode_values(message: Image) -> np.ndarray:
    """Decode the values of a label image, whose encoding is one of VALUE_ENCODINGS.

    Returns:
        (H, W) of the encoding's integer type, such as uint8 for mono8 and uint16 for mono16.

    Raises:
        BadFrameError: As `check_message`.
    """
    _check_size(message)
    if message.encoding not in _VALUES:
        raise BadFrameError(
            "unknown_encoding",
            f"encoding {quoted(message.encoding)} holds no labels; expected one of {', '.join(VALUE_ENCODINGS)}",
        )
    dtype = np.dtype(_VALUES[message.encoding])
    _check_step(message, message.width * dtype.itemsize)
    _check_length(message, message.step * message.height)
    stored = dtype.newbyteorder(">" if message.is_bigendian else "<")
    strides = (message.step, stored.itemsize)
    return np.ndarray((message.height, message.width), stored, message.data, strides=strides).astype(dtype)


def _check_size(message: Image) -> None:
    if message.height < 1 or message.width < 1:
        raise BadFrameError(
            "zero_size", f"expected an image of at least 1x1 pixels, got {message.width}x{message.height}"
        )


def _check_step(message: Image, row_bytes: int) -> None:
    if message.step < row_bytes:
        raise BadFrameError(
            "step_too_small",
            f"{message.width} {message.encoding} pixels take {row_bytes} bytes per row, but step is {message.step}",
        )


def _check_length(message: Image, *accepted: int) -> None:
    if len(message.data) not in accepted:
        raise BadFrameError(
            "wrong_data_length",
            f"{message.width}x{message.height} {message.encoding} with step {message.step} requires "
            f"{accepted[0]} bytes of data, got {len(message.data)}",
        )


def _convert(code: int) -> Callable[[np.ndarray, Image], np.ndarray]:
    return lambda rows, _: cv2.cvtColor(rows, code)


def _mono16(rows: np.ndarray, message: Image) -> np.ndarray:
    stored = rows.view(">u2" if message.is_bigendian else "<u2")[..., 0]
    native = np.require(stored, np.uint16, "A")  # copies only for a foreign byte order or an odd step
    grey = cv2.convertScaleAbs(native, alpha=255 / 65535)  # rounds to nearest: 65535 becomes 255, 257 becomes 1
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def _yuv422(code: int, chroma: int) -> Callable[[np.ndarray, Image], np.ndarray]:
    """Two pixels share four bytes; `chroma` is the offset of the chroma byte within a pixel's two bytes."""

    def to_rgb(rows: np.ndarray, _: Image) -> np.ndarray:
        width = rows.shape[1]
        if width % 2 == 0:
            return cv2.cvtColor(rows, code)
        # The last column of an odd width has no partner: it has its own U and takes its neighbour's V.
        even = np.concatenate([rows, rows[:, -1:]], axis=1)
        even[:, -1, chroma] = rows[:, -2, chroma] if width > 1 else 128
        return cv2.cvtColor(even, code)[:, :width]

    return to_rgb


def _bayer(code: int) -> Callable[[np.ndarray, Image], np.ndarray]:
    def to_rgb(rows: np.ndarray, message: Image) -> np.ndarray:
        if min(rows.shape[:2]) < 3:
            raise BadFrameError(
                "too_small", f"expected a Bayer image of at least 3x3 pixels, got {message.width}x{message.height}"
            )
        return cv2.cvtColor(rows, code)

    return to_rgb


def _decode_semi_planar(message: Image, code: int) -> np.ndarray:
    """Decode NV12 and NV21: a Y plane, then interleaved chroma pairs at half the size, both `step` bytes wide.

    With an odd width or height, senders may omit the last chroma column or row; its neighbour stands in.
    """
    height, width, step = message.height, message.width, message.step
    lines = np.frombuffer(message.data, np.uint8).reshape(-1, step)
    pairs = min((width + 1) // 2, step // 2)
    if pairs == 0 or len(lines) == height:
        raise BadFrameError("too_small", f"an {message.encoding} image of {width}x{height} has no colour samples")
    luma = _extend(lines[:height, :width], height % 2, width % 2)
    chroma = lines[height:, : 2 * pairs].reshape(-1, pairs, 2)
    chroma = _extend(chroma, (height + 1) // 2 - len(chroma), (width + 1) // 2 - pairs)
    return cv2.cvtColorTwoPlane(luma, chroma, code)[:height, :width]


def _extend(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Repeat the last row and column; return `plane` itself if there is nothing to add."""
    if rows == columns == 0:
        return plane
    return np.pad(plane, ((0, rows), (0, columns)) + ((0, 0),) * (plane.ndim - 2), mode="edge")


_SEMI_PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}

_UYVY = _Packed(2, _yuv422(cv2.COLOR_YUV2RGB_UYVY, chroma=0))
_YUYV = _Packed(2, _yuv422(cv2.COLOR_YUV2RGB_YUYV, chroma=1))

# OpenCV names a Bayer pattern after its second row and column, ROS after the first: rggb is OpenCV's "BG".
_PACKED = {
    "rgb8": _Packed(3, lambda rows, _: rows),
    "bgr8": _Packed(3, _convert(cv2.COLOR_BGR2RGB)),
    "rgba8": _Packed(4, _convert(cv2.COLOR_RGBA2RGB)),
    "bgra8": _Packed(4, _convert(cv2.COLOR_BGRA2RGB)),
    "mono8": _Packed(1, _convert(cv2.COLOR_GRAY2RGB)),
    "mono16": _Packed(2, _mono16),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "bayer_rggb8": _Packed(1, _bayer(cv2.COLOR_BayerBG2RGB)),
    "bayer_bggr8": _Packed(1, _bayer(cv2.COLOR_BayerRG2RGB)),
    "bayer_gbrg8": _Packed(1, _bayer(cv2.COLOR_BayerGR2RGB)),
    "bayer_grbg8": _Packed(1, _bayer(cv2.COLOR_BayerGB2RGB)),
}

ENCODINGS = (*_PACKED, *_SEMI_PLANAR)
"""Every value of `Image.encoding` that can be decoded."""

_VALUES = {"mono8": "u1", "8UC1": "u1", "mono16": "u2", "16UC1": "u2", "16SC1": "i2", "32SC1": "i4"}

VALUE_ENCODINGS = tuple(_VALUES)
"""Every value of `Image.encoding` that a label image may have."""
