"""Decodes images with cv_bridge, for the encodings of which it is verified to give the pixels of `decode_image`.

It may be missing or built for another numpy, and it does not support every encoding.
"""

import functools
import sys
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from bisenetformer_ros.images.raw import DecodingReport, check_message, decode_image

# Encoding → bytes per pixel; rgb8 needs no conversion, and cv_bridge knows no bit depth of 16-bit samples.
_PIXEL_BYTES = {"bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1, "yuv422": 2, "yuv422_yuy2": 2}
_PIXEL_BYTES |= {f"bayer_{pattern}8": 1 for pattern in ("rggb", "bggr", "gbrg", "grbg")}
_BIG_ENDIAN = sys.byteorder == "big"


def decode(message: Image, bit_depth: int = 16, report: DecodingReport | None = None) -> np.ndarray:
    """Decode like `decode_image`, with cv_bridge where its result is the same."""
    bridge, encodings, _ = open_bridge()
    pixel_bytes = _PIXEL_BYTES[message.encoding] if message.encoding in encodings else 0
    is_plain = message.step == message.width * pixel_bytes and bool(message.is_bigendian) == _BIG_ENDIAN
    if not pixel_bytes or not is_plain or message.width % 2 or min(message.width, message.height) < 3:
        return decode_image(message, bit_depth, report)  # layouts that cv_bridge decodes differently or not at all
    check_message(message)
    return bridge.imgmsg_to_cv2(message, "rgb8")


@functools.cache
def open_bridge() -> tuple[Any, list[str], str]:
    """Return a CvBridge or None, the encodings it is used for, and a description of the decoder in use."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
    except Exception as error:  # whatever an extension module built for another numpy raises
        return None, [], f"OpenCV (cv_bridge is not usable: {type(error).__name__}: {error})"
    encodings = sorted(encoding for encoding in _PIXEL_BYTES if _is_equal(bridge, encoding))
    return bridge, encodings, f"cv_bridge for {', '.join(encodings) or 'no encoding'}; OpenCV for the others"


def _is_equal(bridge: Any, encoding: str) -> bool:
    height, width = 16, 32
    step = width * _PIXEL_BYTES[encoding]
    data = np.random.default_rng(0).integers(0, 256, height * step, np.uint8).tobytes()
    fields = {"height": height, "width": width, "step": step, "is_bigendian": int(_BIG_ENDIAN)}
    message = Image(encoding=encoding, data=data, **fields)
    try:
        return np.array_equal(bridge.imgmsg_to_cv2(message, "rgb8"), decode_image(message))
    except Exception:  # not supported
        return False
