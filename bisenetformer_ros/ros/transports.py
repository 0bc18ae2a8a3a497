"""The transports that images may arrive by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.images.compressed import JpegDecoder, decode_compressed
from bisenetformer_ros.images.raw import DecodingReport
from bisenetformer_ros.ros.cv_bridge_decoder import decode

Decode = Callable[[Any, int, DecodingReport, JpegDecoder | None], np.ndarray]
"""Decodes a message to (H, W, 3) uint8 RGB; arguments as of `decode_compressed`."""


@dataclass(frozen=True)
class Transport:
    """How images are sent."""

    kind: type  # of the messages
    suffix: str  # of the topic
    decode: Decode

    @property
    def type_name(self) -> str:
        return f"sensor_msgs/msg/{self.kind.__name__}"


def _decode_raw(message: Image, bit_depth: int, report: DecodingReport, _: JpegDecoder | None) -> np.ndarray:
    return decode(message, bit_depth, report)


TRANSPORTS = {
    "raw": Transport(Image, "", _decode_raw),
    "compressed": Transport(CompressedImage, "/compressed", decode_compressed),
}
