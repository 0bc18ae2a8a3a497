"""The transports that images may arrive by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.images.compressed import decode_compressed
from bisenetformer_ros.images.raw import DecodingReport
from bisenetformer_ros.ros.cv_bridge_decoder import decode


@dataclass(frozen=True)
class Transport:
    """How images are sent."""

    kind: type  # of the messages
    suffix: str  # of the topic
    decode: Callable[[Any, int, DecodingReport], np.ndarray]  # message, bit depth, report → (H, W, 3) uint8 RGB

    @property
    def type_name(self) -> str:
        return f"sensor_msgs/msg/{self.kind.__name__}"


TRANSPORTS = {
    "raw": Transport(Image, "", decode),
    "compressed": Transport(CompressedImage, "/compressed", decode_compressed),
}
