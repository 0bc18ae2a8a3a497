"""A copy of a bag with the results that the node would have published."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.bags.images import IMAGE, BagImage, neighbour
from bisenetformer_ros.bags.message_types import message_types, messages
from bisenetformer_ros.bags.reader import Bag, BagMessage
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.images.draw import colorize, overlay
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult

NAMESPACE = "/bisenetformer"
"""The node's default name."""

_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_SEMANTIC = dict.fromkeys(("mask", "confidence", "color_mask", "overlay"), IMAGE)
_PANOPTIC = {
    "panoptic": IMAGE,
    "segments": "bisenetformer_ros/msg/SegmentArray",
    "detections": "vision_msgs/msg/Detection2DArray",
}
_LATCHED = {"label_info": "vision_msgs/msg/LabelInfo", "label_map": "bisenetformer_ros/msg/LabelMap"}


class AnnotatedBag:
    """An mcap bag with compressed chunks that holds a copy of another bag and results; a context manager.

    Results carry the stamp and frame_id of their image and its time of recording. They replace topics of the same name
    in the source.

    Attributes:
        left_out: Topics, each with its type, that cannot be copied because the definition of the type is unknown.
    """

    def __init__(self, path: Path, source: Bag, image_topic: str, labels: LabelMap, task: str) -> None:
        """Prepare the bag.

        Args:
            path: Directory to create.
            source: Bag to copy.
            image_topic: Topic of the segmented images; its sibling camera_info is republished with the results.
            labels: Classes of the results.
            task: "semantic" or "panoptic".

        Raises:
            InputError: `path` exists.
        """
        self.left_out: list[str] = []
        self._source = source
        self._image_topic = image_topic
        self._labels = labels
        self._tracker = Tracker()
        self._writer = BagWriter(path, "mcap", "chunk")
        self._copied: set[tuple[str, str]] = set()
        self._camera_info: Any = None
        self._info_of: dict[int, Any] = {}  # time of recording of an image → the camera_info before it
        self._camera_info_topic = neighbour(image_topic, "camera_info")
        self._topics = _SEMANTIC | (_PANOPTIC if task == "panoptic" else {}) | _LATCHED
        self._topics["latency"] = "bisenetformer_ros/msg/Latency"
        if any((c.topic, c.msgtype) == (self._camera_info_topic, _CAMERA_INFO) for c in source.connections):
            self._topics["camera_info"] = _CAMERA_INFO
        self._dropped = 0
        self._has_labels = False

    def __enter__(self) -> "AnnotatedBag":
        with ExitStack() as stack:  # removes the bag if a step below fails
            stack.enter_context(self._writer)
            own = {f"{NAMESPACE}/{topic}" for topic in self._topics}
            for topic, kind in self._topics.items():
                self._writer.add_topic(f"{NAMESPACE}/{topic}", kind, latched=topic in _LATCHED)
            for connection in self._source.connections:
                if connection.topic in own:
                    continue
                if self._writer.copy_topic(connection):
                    self._copied.add((connection.topic, connection.msgtype))
                else:
                    self.left_out.append(f"{connection.topic} ({connection.msgtype})")
            stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._writer.__exit__(*exception)

    def copy(self, message: BagMessage) -> None:
        """Copy a message; to be called with every message of the source, in order."""
        if (message.topic, message.type) in self._copied:
            self._writer.copy(message)
        if (message.topic, message.type) == (self._camera_info_topic, _CAMERA_INFO):
            with suppress(Exception):  # rosbags declares no set of errors; a damaged one is copied, no more
                self._camera_info = message_types().deserialize_cdr(message.data, message.type)
        if message.topic == self._image_topic:
            self._info_of[message.time_ns] = self._camera_info

    def drop(self) -> None:
        """Count an image that cannot be segmented."""
        self._dropped += 1

    def add(self, image: BagImage, rgb: np.ndarray, result: SegmentationResult, times_ms: Mapping[str, float]) -> None:
        """Write the results of an image that was copied; its things get the ids of their tracks.

        Args:
            image: The image, after those before it.
            rgb: Its pixels, (H, W, 3) uint8.
            result: Result of the segmentation.
            times_ms: Stage → milliseconds.
        """
        head = image.parse().header
        time_ns = image.message.time_ns
        result = self._tracker.update(result, 1e-9 * image.stamp_ns)
        if not self._has_labels:
            no_frame = messages.header(image.stamp_ns)
            self._write("label_info", time_ns, messages.label_info(no_frame, self._labels))
            self._write("label_map", time_ns, messages.label_map(no_frame, self._labels))
            self._has_labels = True
        self._write("mask", time_ns, messages.image(head, result.label_map))
        self._write("confidence", time_ns, messages.image(head, result.confidence))
        self._write("color_mask", time_ns, messages.image(head, colorize(result.label_map, self._labels)))
        self._write("overlay", time_ns, messages.image(head, overlay(rgb, result, self._labels, with_ids=True)))
        camera_info = self._info_of.pop(time_ns, None)
        if camera_info is not None:
            self._write("camera_info", time_ns, replace(camera_info, header=head))
        if result.panoptic_map is not None:
            self._write("panoptic", time_ns, messages.image(head, result.panoptic_map))
            self._write("segments", time_ns, messages.segment_array(head, result))
            self._write("detections", time_ns, messages.detection_array(head, result))
        self._write("latency", time_ns, messages.latency(head, times_ms, self._dropped))

    def _write(self, topic: str, time_ns: int, message: Any) -> None:
        self._writer.write(f"{NAMESPACE}/{topic}", time_ns, message)
