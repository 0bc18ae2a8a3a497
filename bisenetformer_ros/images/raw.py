"""sensor_msgs/Image → RGB or label values, including row padding, byte order and odd sizes.

Messages may be rclpy's or those of any library with the same fields, such as one that reads bags.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np

from bisenetformer_ros.errors import InputError

MAX_PIXELS = 2**26
"""More than any camera has; a message of a few kilobytes may claim to be a picture of gigabytes."""

BIT_DEPTHS = (10, 12, 14, 16)
"""Significant bits that the samples of a 16-bit encoding may have."""

ASSUMED = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8"}
"""Encodings that state no colour, and the encoding assumed for each, as cv_bridge and OpenCV assume it."""

_DEPTH = {"16UC1": "u2", "32FC1": "f4"}  # REP 118
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


@dataclass
class DecodingReport:
    """What decoding learned about the images of one topic.

    Attributes:
        assumed: Keys of ASSUMED that occurred.
        used_bits: Significant bits of the largest 16-bit sample, 0 without such images.
    """

    assumed: set[str] = field(default_factory=set)
    used_bits: int = 0

    def note_encoding(self, encoding: str) -> None:
        if encoding in ASSUMED:
            self.assumed.add(encoding)

    def note_samples(self, samples: np.ndarray) -> None:
        if self.used_bits < BIT_DEPTHS[-1]:  # after that there is nothing to learn
            self.used_bits = max(self.used_bits, int(samples.max()).bit_length())

    @property
    def fitting_bit_depth(self) -> int | None:
        """The smallest of BIT_DEPTHS that holds every 16-bit sample so far; None without such samples."""
        return next(depth for depth in BIT_DEPTHS if depth >= self.used_bits) if self.used_bits else None


def quoted(text: str) -> str:
    """Quote a sender's text for an error message: it may be of any length and contain anything."""
    return repr(text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…")


@dataclass(frozen=True)
class _Packed:
    """An encoding with interleaved channels: `item_bytes` per pixel; `to_rgb` takes the (H, W, item_bytes) rows."""

    item_bytes: int
    to_rgb: Callable[[np.ndarray, Image], np.ndarray]


@dataclass(frozen=True)
class _Planar:
    """An encoding that begins with a plane of luma; `lengths` of data are accepted, the first one is usual."""

    lengths: Callable[[Image], tuple[int, ...]]
    to_rgb: Callable[[Image], np.ndarray]


def decode_image(message: Image, bit_depth: int = 16, report: DecodingReport | None = None) -> np.ndarray:
    """Decode a picture.

    Args:
        message: The image.
        bit_depth: Significant bits of 16-bit samples, one of BIT_DEPTHS: 0..2^bit_depth - 1 is scaled to 0..255, larger
            samples become 255.
        report: Updated with what the image shows.

    Returns:
        (H, W, 3) uint8 RGB; for rgb8 a view of the message's data.

    Raises:
        BadFrameError: `check_message` rejects the message, or a subsampled image has no colour samples.
    """
    check_message(message)
    if report:
        report.note_encoding(message.encoding)
    encoding = ASSUMED.get(message.encoding, message.encoding)
    if encoding in _PLANAR:
        return _PLANAR[encoding].to_rgb(message)
    if encoding in _SIXTEEN_BIT:
        packed = _PACKED[_SIXTEEN_BIT[encoding]]
        samples = _rows(message, 2 * packed.item_bytes).view(">u2" if message.is_bigendian else "<u2")
        return packed.to_rgb(scale_to_8_bits(samples, bit_depth, report), message)
    packed = _PACKED[encoding]
    return packed.to_rgb(_rows(message, packed.item_bytes), message)


def scale_to_8_bits(samples: np.ndarray, bit_depth: int = 16, report: DecodingReport | None = None) -> np.ndarray:
    """Scale uint16 samples of either byte order to uint8 of the same shape; see `decode_image`."""
    native = np.require(samples, np.uint16, "A")  # copies only for a foreign byte order or an odd step
    if report:
        report.note_samples(native)
    return cv2.convertScaleAbs(native, alpha=255 / (2**bit_depth - 1)).reshape(samples.shape)  # rounds to nearest


def check_message(message: Image) -> None:
    """Check that the fields of a message are consistent and its encoding is one of ENCODINGS.

    Raises:
        BadFrameError: The image is empty or too large, a depth image or of unknown encoding, `step` is shorter than a
            row, or the data does not have the length that `step` and `height` imply.
    """
    _check_size(message)
    check_not_depth("encoding", message.encoding)
    if message.encoding not in ENCODINGS:
        raise BadFrameError(
            "unknown_encoding",
            f"encoding {quoted(message.encoding)} is not supported; expected one of {', '.join(ENCODINGS)}",
        )
    encoding = ASSUMED.get(message.encoding, message.encoding)
    if encoding in _PLANAR:
        _check_step(message, message.width)
        _check_length(message, *_PLANAR[encoding].lengths(message))
    else:
        sample_bytes = 2 if encoding in _SIXTEEN_BIT else 1
        _check_step(message, message.width * sample_bytes * _PACKED[_SIXTEEN_BIT.get(encoding, encoding)].item_bytes)
        _check_length(message, message.step * message.height)
    width, height = (-(-side // _STRIDE) * _STRIDE for side in (message.width, message.height))
    if width * height > MAX_PIXELS:  # a single row of two million pixels is 64 million for the network
        came = f"got {message.width}x{message.height}"
        raise BadFrameError(
            "too_large", f"expected at most {MAX_PIXELS} pixels with sides padded to multiples of {_STRIDE}, {came}"
        )


def check_not_depth(field_name: str, stated: str) -> None:
    """Reject depth images, whose values would make a meaningless picture.

    Args:
        field_name: Field of the message, for the error message.
        stated: Its content: an encoding, or a `CompressedImage.format` that begins with one.

    Raises:
        BadFrameError: It states a depth image.
    """
    if stated.partition(";")[0].strip() in _DEPTH:
        raise BadFrameError(
            "unknown_encoding",
            f"{field_name} {quoted(stated)} is a depth image; expected colour or grey: use the camera's image topic",
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
    return _samples(message, dtype).astype(dtype)


def decode_depth(message: Image) -> np.ndarray:
    """Decode a depth image: 16UC1 in millimetres or 32FC1 in metres (REP 118).

    Returns:
        (H, W) float32 in metres; NaN where the depth is missing: 0, negative, infinite or NaN.

    Raises:
        BadFrameError: As `check_message`.
    """
    _check_size(message)
    if message.encoding not in _DEPTH:
        raise BadFrameError(
            "unknown_encoding",
            f"encoding {quoted(message.encoding)} holds no depth; expected {' or '.join(_DEPTH)}: use the camera's "
            "depth topic",
        )
    samples = _samples(message, np.dtype(_DEPTH[message.encoding]))
    depth = samples.astype(np.float32)
    if message.encoding == "16UC1":
        depth /= 1000
    depth[~((depth > 0) & (depth < np.inf))] = np.nan
    return depth


def _samples(message: Image, dtype: np.dtype) -> np.ndarray:
    """View the data as (H, W) of one sample per pixel, in the byte order of the message."""
    _check_step(message, message.width * dtype.itemsize)
    _check_length(message, message.step * message.height)
    stored = dtype.newbyteorder(">" if message.is_bigendian else "<")
    strides = (message.step, stored.itemsize)
    return np.ndarray((message.height, message.width), stored, message.data, strides=strides)


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


def _rows(message: Image, item_bytes: int) -> np.ndarray:
    """View the data as (H, W, item_bytes) without the padding of the rows."""
    shape = (message.height, message.width, item_bytes)
    return np.ndarray(shape, np.uint8, message.data, strides=(message.step, item_bytes, 1))


def _semi_planar(code: int) -> _Planar:
    """NV12 and NV21: a Y plane, then interleaved chroma pairs at half the size, both `step` bytes wide.

    With an odd width or height, senders may omit the last chroma column or row; its neighbour stands in.
    """

    def to_rgb(message: Image) -> np.ndarray:
        lines = np.frombuffer(message.data, np.uint8).reshape(-1, message.step)
        pairs = min((message.width + 1) // 2, message.step // 2)
        chroma = lines[message.height :, : 2 * pairs].reshape(len(lines) - message.height, pairs, 2)
        return _join_planes(message, chroma, code)

    return _Planar(
        lambda message: tuple(message.step * (message.height + rows) for rows in _halves(message.height)), to_rgb
    )


def _i420_chroma(message: Image) -> list[tuple[int, int]]:
    """Rows and bytes per row of I420's chroma planes, which senders round up or down."""
    return [(rows, step) for rows in _halves(message.height) for step in _halves(message.step)]


def _i420_lengths(message: Image) -> tuple[int, ...]:
    return tuple(message.height * message.step + 2 * rows * step for rows, step in _i420_chroma(message))


def _i420_to_rgb(message: Image) -> np.ndarray:
    """Decode I420: a Y plane, then a U and a V plane at half the size."""
    rows, step = _i420_chroma(message)[_i420_lengths(message).index(len(message.data))]
    planes = np.frombuffer(message.data, np.uint8)[message.height * message.step :].reshape(2, rows, step)
    return _join_planes(message, np.stack([*planes], -1)[:, : (message.width + 1) // 2], cv2.COLOR_YUV2RGB_NV12)


def _join_planes(message: Image, chroma: np.ndarray, code: int) -> np.ndarray:
    """Decode the Y plane of a message with its (rows, columns, 2) chroma at half the size."""
    height, width = message.height, message.width
    if chroma.size == 0:
        raise BadFrameError("too_small", f"an {message.encoding} image of {width}x{height} has no colour samples")
    luma = _extend(_rows(message, 1)[..., 0], height % 2, width % 2)
    chroma = _extend(chroma, (height + 1) // 2 - chroma.shape[0], (width + 1) // 2 - chroma.shape[1])
    return cv2.cvtColorTwoPlane(luma, chroma, code)[:height, :width]


def _nv24_to_rgb(message: Image) -> np.ndarray:
    """Decode NV24: a Y plane, then interleaved (U, V) at full size, in rows of `2 * step` bytes."""
    height, width, step = message.height, message.width, message.step
    chroma = np.frombuffer(message.data, np.uint8)[height * step :].reshape(height, step, 2)[:, :width]
    luma = _rows(message, 1)[..., 0]
    doubled = np.stack([chroma[..., 0], luma, chroma[..., 1], luma], -1)  # OpenCV lacks 4:4:4, not 4:2:2
    return np.ascontiguousarray(cv2.cvtColor(doubled.reshape(height, 2 * width, 2), cv2.COLOR_YUV2RGB_UYVY)[:, ::2])


def _halves(size: int) -> tuple[int, int]:
    return (size + 1) // 2, size // 2


def _extend(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Repeat the last row and column; return `plane` itself if there is nothing to add."""
    if rows == columns == 0:
        return plane
    return np.pad(plane, ((0, rows), (0, columns)) + ((0, 0),) * (plane.ndim - 2), mode="edge")


_PLANAR = {
    "nv12": _semi_planar(cv2.COLOR_YUV2RGB_NV12),
    "nv21": _semi_planar(cv2.COLOR_YUV2RGB_NV21),
    "nv24": _Planar(lambda message: (3 * message.height * message.step,), _nv24_to_rgb),
    "i420": _Planar(_i420_lengths, _i420_to_rgb),
}

_UYVY = _Packed(2, _yuv422(cv2.COLOR_YUV2RGB_UYVY, chroma=0))
_YUYV = _Packed(2, _yuv422(cv2.COLOR_YUV2RGB_YUYV, chroma=1))

# OpenCV names a Bayer pattern after its second row and column, ROS after the first: rggb is OpenCV's "BG".
_PACKED = {
    "rgb8": _Packed(3, lambda rows, _: rows),
    "bgr8": _Packed(3, _convert(cv2.COLOR_BGR2RGB)),
    "rgba8": _Packed(4, _convert(cv2.COLOR_RGBA2RGB)),
    "bgra8": _Packed(4, _convert(cv2.COLOR_BGRA2RGB)),
    "mono8": _Packed(1, _convert(cv2.COLOR_GRAY2RGB)),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "bayer_rggb8": _Packed(1, _bayer(cv2.COLOR_BayerBG2RGB)),
    "bayer_bggr8": _Packed(1, _bayer(cv2.COLOR_BayerRG2RGB)),
    "bayer_gbrg8": _Packed(1, _bayer(cv2.COLOR_BayerGR2RGB)),
    "bayer_grbg8": _Packed(1, _bayer(cv2.COLOR_BayerGB2RGB)),
}

_SIXTEEN_BIT = {f"{name[:-1]}16": name for name in _PACKED if name.endswith("8")}
"""16-bit encodings and the 8-bit encoding of the same channels."""

ENCODINGS = (*_PACKED, *_SIXTEEN_BIT, *_PLANAR, *ASSUMED)
"""Every value of `Image.encoding` that can be decoded."""

_VALUES = {"mono8": "u1", "8UC1": "u1", "mono16": "u2", "16UC1": "u2", "16SC1": "i2", "32SC1": "i4"}

VALUE_ENCODINGS = tuple(_VALUES)
"""Every value of `Image.encoding` that a label image may have."""
