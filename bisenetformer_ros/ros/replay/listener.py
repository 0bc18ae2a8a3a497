"""Records the outputs of a segmentation node: `python -m bisenetformer_ros.ros.replay.listener DIRECTORY`.

Every message becomes an event on stdout, named after its topic, with its stamp, frame_id and age on arrival. Images are
written to DIRECTORY as STAMP.TOPIC.png (the camera's as .jpg, since it is only for viewing).
"""

import argparse
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.images.raw import BadFrameError, decode_image, decode_values
from bisenetformer_ros.msg import LabelMap, Latency, Segment, SegmentArray
from bisenetformer_ros.ros.initialization import initialize_ros
from bisenetformer_ros.ros.qos import LATCHED_QOS
from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds

FRAME_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
JPEG_QUALITY = 92
FAST_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]

Values = dict[str, Any]


class Listener(Node):
    """Subscribes to a camera and a node. A thread writes the images, so that no callback waits for the disk."""

    def __init__(self, directory: Path, node: str, image_topic: str) -> None:
        super().__init__("listener")
        self._directory = directory
        self._arrived: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="writer")
        self._writer.start()
        self._listen("camera", Image, image_topic, self._save_camera)
        self._listen("mask", Image, f"{node}/mask", self._save_map)
        self._listen("confidence", Image, f"{node}/confidence", self._save_map)
        self._listen("panoptic", Image, f"{node}/panoptic", self._save_map)
        self._listen("segments", SegmentArray, f"{node}/segments", _segments)
        self._listen("detections", Detection2DArray, f"{node}/detections", _detections)
        self._listen("latency", Latency, f"{node}/latency", _latency)
        self.create_subscription(LabelMap, f"{node}/label_map", self._on_label_map, LATCHED_QOS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, FRAME_QOS)

    def finish(self) -> None:
        """Wait until everything that has arrived is written."""
        self._arrived.put(None)
        self._writer.join()

    def _listen(self, event: str, kind: type, topic: str, describe: Callable[[str, Any], Values]) -> None:
        def on_message(message: Any) -> None:
            stamp = nanoseconds(message.header.stamp)
            age_ms = (self.get_clock().now().nanoseconds - stamp) / 1e6
            self._arrived.put(lambda: write(message, stamp, age_ms))

        def write(message: Any, stamp: int, age_ms: float) -> None:
            values = describe(f"{stamp}.{event}", message)
            emit(event, stamp=stamp, frame_id=message.header.frame_id, age_ms=age_ms, **values)

        self.create_subscription(kind, topic, on_message, FRAME_QOS)

    def _on_label_map(self, message: LabelMap) -> None:
        self._arrived.put(lambda: emit("label_map", labels=_labels(message)))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self._arrived.put(lambda: emit("diagnostics", statuses=[_status(status) for status in message.status]))

    def _write_all(self) -> None:
        while (write := self._arrived.get()) is not None:
            write()

    def _save_camera(self, name: str, message: Image) -> Values:
        try:
            rgb = decode_image(message)
        except BadFrameError as error:  # recorded images may be corrupt; the node reports them
            return {"unusable": str(error)}
        write_image(self._directory / f"{name}.jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return {}

    def _save_map(self, name: str, message: Image) -> Values:
        write_image(self._directory / f"{name}.png", decode_values(message), FAST_PNG)
        return {}


def _segments(_: str, message: SegmentArray) -> Values:
    return {"segments": [_segment(segment) for segment in message.segments]}


def _segment(segment: Segment) -> Values:
    """The fields of `results.Segment`."""
    box = segment.box
    return {
        "id": segment.id,
        "class_id": segment.class_id,
        "class_name": segment.class_name,
        "is_thing": segment.is_thing,
        "score": segment.score,
        "area": segment.area,
        "box_xyxy": (box.x_offset, box.y_offset, box.x_offset + box.width, box.y_offset + box.height),
        "centroid_xy": (segment.centroid_x, segment.centroid_y),
    }


def _detections(_: str, message: Detection2DArray) -> Values:
    return {"ids": [int(detection.id) for detection in message.detections]}


def _latency(_: str, message: Latency) -> Values:
    names = [name for name in message.get_fields_and_field_types() if name.endswith("_ms")]
    return {"stages": {name.removesuffix("_ms"): getattr(message, name) for name in names}}


def _labels(message: LabelMap) -> list[Values]:
    return [
        {"name": name, "is_thing": is_thing, "color": [round(255 * channel) for channel in (color.r, color.g, color.b)]}
        for name, is_thing, color in zip(message.class_names, message.is_thing, message.colors, strict=True)
    ]


def _status(status: DiagnosticStatus) -> Values:
    values = {value.key: value.value for value in status.values}
    return {"name": status.name, "level": status.level[0], "message": status.message, "values": values}


def main(argv: Sequence[str] | None = None) -> int:
    """Record until interrupted."""
    parser = argparse.ArgumentParser(description="Record what a segmentation node publishes.")
    parser.add_argument("directory", type=Path, help="existing folder for the images")
    parser.add_argument("--node", default="/bisenetformer", help="full name of the node (default: %(default)s)")
    parser.add_argument("--image-topic", default="/camera/image_raw", help="the node's input (default: %(default)s)")
    args = parser.parse_args(argv)
    initialize_ros([], signal_handler_options=SignalHandlerOptions.NO)
    listener = Listener(args.directory, args.node, args.image_topic)
    try:
        rclpy.spin(listener)
    except KeyboardInterrupt:
        return 0
    finally:
        listener.finish()
        listener.destroy_node()
        rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
