"""cv_bridge in the place of our own conversion, wherever it is installed, works, and gives the very same pixels.

It may be missing, it may be built for another numpy, and it knows neither every encoding nor every layout of rows; so
it is tried out on one picture per encoding before it is trusted with that encoding.
"""

import functools
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from bisenetformer_ros.images.raw import check_image, decode_image

# Encoding → bytes per pixel. rgb8 is left out, as there is nothing to convert.
_CANDIDATES = {
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 4,
    "mono8": 1,
    "mono16": 2,
    "yuv422": 2,
    "yuv422_yuy2": 2,
    **{f"bayer_{pattern}8": 1 for pattern in ("rggb", "bggr", "gbrg", "grbg")},
}


@dataclass(frozen=True)
class Bridge:
    """bridge: a CvBridge, None if there is none. encodings: those it is trusted with. reason: why there are no more."""

    bridge: Any
    encodings: frozenset[str]
    reason: str

    def takes(self, message: Image) -> bool:
        """cv_bridge shears rows that are padded by a part of a pixel, and wants pairs of columns and small integers."""
        if message.encoding not in self.encodings:
            return False
        paired = message.width % 2 == 0 or not message.encoding.startswith("yuv422")
        native = bool(message.is_bigendian) == (sys.byteorder == "big") or message.encoding != "mono16"
        whole = message.step % _CANDIDATES[message.encoding] == 0
        return paired and native and whole and min(message.width, message.height) >= 3

    def __str__(self) -> str:
        if not self.encodings:
            return f"OpenCV ({self.reason})"
        return f"cv_bridge for {', '.join(sorted(self.encodings))}; OpenCV for the others"


def decode(message: Image) -> np.ndarray:
    """As `decode_image`, through cv_bridge where it can be."""
    bridge = open_bridge()
    if not bridge.takes(message):
        return decode_image(message)
    check_image(message)
    return bridge.bridge.imgmsg_to_cv2(message, "rgb8")


@functools.cache
def open_bridge() -> Bridge:
    """Imports cv_bridge and tries it out, once per process."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
    except Exception as error:  # whatever an extension module built for another numpy raises
        return Bridge(None, frozenset(), f"cv_bridge cannot be used: {type(error).__name__}: {error}")
    trusted = frozenset(encoding for encoding in _CANDIDATES if _is_equal(bridge, encoding))
    return Bridge(bridge, trusted, "" if trusted else "cv_bridge gives other pixels, or none")


def _is_equal(bridge: Any, encoding: str) -> bool:
    """On one picture with all values in it, and rows that are padded by one pixel."""
    height, width, item = 16, 32, _CANDIDATES[encoding]
    step = (width + 1) * item
    values = np.random.default_rng(0).integers(0, 256, height * step, np.uint8)
    big_endian = int(sys.byteorder == "big")
    message = Image(height=height, width=width, encoding=encoding, step=step, is_bigendian=big_endian)
    message.data = values.tobytes()
    try:
        return np.array_equal(bridge.imgmsg_to_cv2(message, "rgb8"), decode_image(message))
    except Exception:  # this encoding is not for it
        return False
