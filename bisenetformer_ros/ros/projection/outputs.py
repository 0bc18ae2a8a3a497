"""The topics of the projection node; a message is built only while its topic has a subscriber."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from bisenetformer_ros import msg
from bisenetformer_ros.geometry.boxes import Box, find_box
from bisenetformer_ros.geometry.cloud import POINT, fill_cloud
from bisenetformer_ros.ros.message_types import messages
from bisenetformer_ros.ros.qos import FRAME_QOS


@dataclass(frozen=True)
class ProjectedFrame:
    """One result of the segmentation node with depth; (H, W) is the size of the mask."""

    header: Header  # of the mask; every output carries it
    depth: np.ndarray  # (H, W) float32 in metres, NaN where it is missing
    rays: tuple[np.ndarray, np.ndarray]  # of Pinhole.rays
    labels: np.ndarray  # (H, W) uint8
    instances: np.ndarray | None  # (H, W) uint16; None for the semantic task
    segments: Sequence[msg.Segment]  # none for the semantic task
    palette: np.ndarray  # (256, 3) uint8

    @cached_property
    def things(self) -> list[tuple[msg.Segment, Box]]:
        """The things that have depth."""
        boxes = [(segment, self._box(segment)) for segment in self.segments if segment.is_thing]
        return [(segment, box) for segment, box in boxes if box is not None]

    def _box(self, segment: msg.Segment) -> Box | None:
        assert self.instances is not None
        roi = segment.box
        rows = slice(roi.y_offset, roi.y_offset + roi.height)
        columns = slice(roi.x_offset, roi.x_offset + roi.width)
        mask = self.instances[rows, columns] == segment.id
        return find_box(mask, self.depth[rows, columns], (self.rays[0][columns], self.rays[1][rows]))


class CloudOutput:
    """Fills the same message every time, which saves allocating one per frame; see `ImageOutput`."""

    def __init__(self) -> None:
        self._message = PointCloud2()
        self._points: np.ndarray = np.zeros((0, 0), POINT)

    def build(self, frame: ProjectedFrame) -> PointCloud2:
        if self._points.shape != frame.depth.shape:
            self._message = messages.point_cloud(frame.header, np.zeros(frame.depth.shape, POINT))
            self._points = np.frombuffer(self._message.data, POINT).reshape(frame.depth.shape)
        red, green, blue = frame.palette.astype(np.uint32).T
        scores = np.zeros(2**16, np.float32)
        for segment in frame.segments:
            scores[segment.id] = segment.score
        colors = red << 16 | green << 8 | blue
        fill_cloud(self._points, frame.depth, frame.rays, frame.labels, frame.instances, colors, scores)
        self._message.header = frame.header
        return self._message


class ProjectionPublishers:
    """The publishers of ~/points, ~/detections_3d and ~/markers."""

    def __init__(self, node: Node) -> None:
        outputs = {
            "points": (PointCloud2, CloudOutput().build),
            "detections_3d": (Detection3DArray, lambda frame: messages.detection_array_3d(frame.header, frame.things)),
            "markers": (
                MarkerArray,
                lambda frame: messages.marker_array(frame.header, frame.things, frame.palette),
            ),
        }
        self._outputs: dict[str, tuple[Any, Any]] = {
            topic: (build, node.create_publisher(kind, f"~/{topic}", FRAME_QOS))
            for topic, (kind, build) in outputs.items()
        }

    def have_subscribers(self) -> bool:
        return any(publisher.get_subscription_count() for _, publisher in self._outputs.values())

    def publish(self, frame: ProjectedFrame) -> list[str]:
        """Build and publish the outputs that have a subscriber; return their topics."""
        published = [topic for topic, (_, publisher) in self._outputs.items() if publisher.get_subscription_count()]
        for topic in published:
            build, publisher = self._outputs[topic]
            publisher.publish(build(frame))
        return published
