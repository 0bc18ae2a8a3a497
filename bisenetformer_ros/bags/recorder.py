"""Writing images and their labels to a bag, as the recording of a camera."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bisenetformer_ros.bags.images import COMPRESSED, IMAGE
from bisenetformer_ros.bags.message_types import messages
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.images.files import encode_image
from bisenetformer_ros.images.frame_geometry import FrameGeometry
from bisenetformer_ros.labels import LabelMap

ENCODINGS = ("raw", "jpeg", "png")
CAMERA_TOPIC = "/camera/image_raw"
CAMERA_INFO_TOPIC = "/camera/camera_info"
DEPTH_TOPIC = "/camera/depth/image"
DEPTH_INFO_TOPIC = "/camera/depth/camera_info"
LABEL_TOPIC = "/labels/mask"
INSTANCE_TOPIC = "/labels/instances"
LABEL_INFO_TOPIC = "/labels/label_info"

FRAME_ID = "camera_optical_frame"
JPEG_QUALITY = 95
_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


@dataclass(frozen=True)
class BagFormat:
    """Format of a bag.

    Attributes:
        storage: See `BagWriter`.
        compression: See `BagWriter`.
        encoding: Encoding of the images, one of ENCODINGS. Labels are PNG unless it is "raw"; depth is always raw.
    """

    storage: str = "mcap"
    compression: str = "none"
    encoding: str = "raw"


class DriveRecorder:
    """A new bag with a camera and its labels; a context manager.

    Attributes:
        num_labelled: Number of frames with labels so far.
    """

    def __init__(
        self, path: Path, form: BagFormat, labels: LabelMap | None, has_instances: bool, has_depth: bool = False
    ) -> None:
        """Prepare the bag.

        Args:
            path: Directory to create.
            form: Format.
            labels: Classes of the label images; None for a bag without labels.
            has_instances: Whether the bag gets a topic of instance ids.
            has_depth: Whether the bag gets a topic of depth images.

        Raises:
            InputError: `path` exists.
            ConfigError: Storage and compression do not fit.
        """
        self._writer = BagWriter(path, form.storage, form.compression)
        self._encoding = form.encoding
        self._labels = labels
        self._has_instances = has_instances
        self._has_depth = has_depth
        self.num_labelled = 0
        suffix = "" if form.encoding == "raw" else "/compressed"
        self.camera_topic, self.label_topic, self.instance_topic = (
            topic + suffix for topic in (CAMERA_TOPIC, LABEL_TOPIC, INSTANCE_TOPIC)
        )

    def __enter__(self) -> "DriveRecorder":
        kind = IMAGE if self._encoding == "raw" else COMPRESSED
        with ExitStack() as stack:  # removes the bag if a step below fails
            stack.enter_context(self._writer)
            self._writer.add_topic(self.camera_topic, kind)
            self._writer.add_topic(CAMERA_INFO_TOPIC, _CAMERA_INFO)
            if self._has_depth:
                self._writer.add_topic(DEPTH_TOPIC, IMAGE)
                self._writer.add_topic(DEPTH_INFO_TOPIC, _CAMERA_INFO)
            if self._labels is not None:
                self._writer.add_topic(self.label_topic, kind)
                self._writer.add_topic(LABEL_INFO_TOPIC, "vision_msgs/msg/LabelInfo", latched=True)
                if self._has_instances:
                    self._writer.add_topic(self.instance_topic, kind)
            stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._writer.__exit__(*exception)

    def add(
        self,
        stamp_ns: int,
        rgb: np.ndarray,
        label_map: np.ndarray | None,
        instances: np.ndarray | None,
        geometry: FrameGeometry | None = None,
    ) -> None:
        """Write one frame.

        Args:
            stamp_ns: Stamp of the headers and time of recording.
            rgb: (H, W, 3) uint8.
            label_map: (H, W) uint8, 255 = ignored; None for a frame without labels.
            instances: (H, W) integers from 0, 0 = none; None or ignored if the bag has no instances. A frame with ids
                above 65535 gets new ones.
            geometry: Calibration and, if the bag has a topic for it, depth; None for an uncalibrated camera.
        """
        head = messages.header(stamp_ns, FRAME_ID)
        height, width = rgb.shape[:2]
        info = messages.camera_info(head, height, width, geometry.matrix if geometry else None)
        # Calibration first, so that sequential readers have it before the image.
        self._writer.write(CAMERA_INFO_TOPIC, stamp_ns, info)
        self._write_image(self.camera_topic, stamp_ns, head, rgb, self._encoding)
        if self._has_depth and geometry and geometry.depth is not None:
            self._writer.write(DEPTH_INFO_TOPIC, stamp_ns, info)
            self._write_image(DEPTH_TOPIC, stamp_ns, head, geometry.depth, "raw")
        if self._labels is None or label_map is None:
            return
        if not self.num_labelled:
            names = messages.label_info(messages.header(stamp_ns), self._labels)
            self._writer.write(LABEL_INFO_TOPIC, stamp_ns, names)
        self.num_labelled += 1
        lossless = "raw" if self._encoding == "raw" else "png"
        self._write_image(self.label_topic, stamp_ns, head, label_map, lossless)
        if self._has_instances and instances is not None:
            self._write_image(self.instance_topic, stamp_ns, head, _as_uint16(instances), lossless)

    def _write_image(self, topic: str, stamp_ns: int, head: object, pixels: np.ndarray, encoding: str) -> None:
        if encoding == "raw":
            message = messages.image(head, pixels)
        else:
            options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if encoding == "jpeg" else []
            message = messages.compressed_image(head, encoding, encode_image(pixels, f".{encoding}", options))
        self._writer.write(topic, stamp_ns, message)


def _as_uint16(instances: np.ndarray) -> np.ndarray:
    if instances.max() > np.iinfo(np.uint16).max:
        ids = np.union1d(0, instances)  # 0 stays 0
        instances = np.searchsorted(ids, instances)
    return instances.astype(np.uint16)
