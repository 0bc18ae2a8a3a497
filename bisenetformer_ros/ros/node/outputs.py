"""The topics that the node publishes; a message is built only while its topic has a subscriber."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from bisenetformer_ros import msg
from bisenetformer_ros.images.draw import colorize, overlay
from bisenetformer_ros.images.files import encode_image
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.ros.message_types import messages
from bisenetformer_ros.ros.qos import FRAME_QOS, LATCHED_QOS


@dataclass(frozen=True)
class SegmentedFrame:
    """One camera image with everything that the outputs are made of."""

    header: Header  # of the camera image; every output carries it
    rgb: np.ndarray  # (H, W, 3) uint8
    result: SegmentationResult  # with ids of its own
    labels: LabelMap
    overlay_alpha: float  # weight of the colors, 0 to 1
    camera_info: CameraInfo | None  # latest one; None before the first
    tracker: Tracker | None  # of the camera; None without tracking

    @cached_property
    def tracked(self) -> SegmentationResult:
        """The result with the ids of tracks, if there is a tracker; made for the first output that shows ids."""
        if self.tracker is None:
            return self.result
        stamp = self.header.stamp
        return self.tracker.update(self.result, stamp.sec + 1e-9 * stamp.nanosec)


class Output:
    """A topic's message type, and how a message is built from a frame."""

    def __init__(self, kind: type, build: Callable[[SegmentedFrame], Any]) -> None:
        """build: Returns a message of type `kind`, or None if there is nothing to publish."""
        self.kind = kind
        self.build = build


class ImageOutput(Output):
    """An image drawn into the same message every time, which saves allocating one per frame.

    The message must have been published before the next frame is built.
    """

    def __init__(
        self,
        draw: Callable[[SegmentedFrame, np.ndarray], Any],
        dtype: type = np.uint8,
        channels: tuple[int, ...] = (),
    ) -> None:
        """draw: Draws a frame into an array of shape (H, W, *channels) of `dtype`."""
        super().__init__(Image, self._build)
        self._draw = draw
        self._dtype = dtype
        self._channels = channels
        self._message = Image()
        self._pixels: np.ndarray = np.zeros(0, dtype)
        self._drawn: SegmentedFrame | None = None

    def pixels(self, frame: SegmentedFrame) -> np.ndarray:
        """Return the image, drawn once however many outputs are made of it; valid until the next frame's."""
        if self._drawn is frame:
            return self._pixels
        shape = frame.rgb.shape[:2] + self._channels
        if self._pixels.shape != shape:
            self._message = messages.image(frame.header, np.zeros(shape, self._dtype))
            self._pixels = np.frombuffer(self._message.data, self._dtype).reshape(shape)
        self._draw(frame, self._pixels)
        self._drawn = frame
        return self._pixels

    def _build(self, frame: SegmentedFrame) -> Image:
        self.pixels(frame)
        self._message.header = frame.header
        return self._message


def frame_outputs(task: str) -> dict[str, Output]:
    """Return the outputs of one camera: topic → output, in the order of publishing, the cheap ones first.

    The semantic task has no panoptic topics at all.
    """
    panoptic = {
        "segments": Output(msg.SegmentArray, lambda f: messages.segment_array(f.header, f.tracked)),
        "detections": Output(Detection2DArray, lambda f: messages.detection_array(f.header, f.tracked)),
        "panoptic": ImageOutput(lambda f, out: np.copyto(out, _panoptic_map(f)), np.uint16),
    }
    overlay_image = ImageOutput(_draw_overlay, channels=(3,))
    semantic = {
        "camera_info": Output(CameraInfo, _restamped_camera_info),
        "mask": ImageOutput(lambda f, out: np.copyto(out, f.result.label_map)),
        "confidence": ImageOutput(lambda f, out: np.copyto(out, f.result.confidence)),
        "color_mask": ImageOutput(lambda f, out: colorize(f.result.label_map, f.labels, out), channels=(3,)),
        "overlay": overlay_image,
        # With the names and formats of image_transport's plugin `compressed`, so that its subscribers find them:
        "mask/compressed": _png("mono8", lambda f: f.result.label_map),
        "overlay/compressed": _jpeg(overlay_image),
    }
    if task != "panoptic":
        return semantic
    return panoptic | semantic | {"panoptic/compressed": _png("mono16", _panoptic_map)}


def _panoptic_map(frame: SegmentedFrame) -> np.ndarray:
    assert frame.tracked.panoptic_map is not None
    return frame.tracked.panoptic_map


def _draw_overlay(frame: SegmentedFrame, out: np.ndarray) -> None:
    with_ids = frame.tracker is not None
    overlay(frame.rgb, frame.tracked, frame.labels, frame.overlay_alpha, out, with_ids)


def _png(encoding: str, pixels: Callable[[SegmentedFrame], np.ndarray]) -> Output:
    """Output of ids, which JPEG would change. OpenCV's default level is the fastest by far."""
    form = f"{encoding}; png compressed "
    return Output(CompressedImage, lambda f: messages.compressed_image(f.header, form, encode_image(pixels(f), ".png")))


def _jpeg(image: ImageOutput) -> Output:
    form = "rgb8; jpeg compressed bgr8"
    return Output(
        CompressedImage, lambda f: messages.compressed_image(f.header, form, encode_image(image.pixels(f), ".jpg"))
    )


def _restamped_camera_info(frame: SegmentedFrame) -> CameraInfo | None:
    if frame.camera_info is not None:
        frame.camera_info.header = frame.header
    return frame.camera_info


class OutputPublishers:
    """The publishers of one camera's outputs and of ~/latency."""

    def __init__(self, node: Node, prefix: str, task: str) -> None:
        """prefix: Precedes the topics' names, after the node's name."""
        self._node = node
        self._outputs: dict[str, tuple[Output, Publisher]] = {
            topic: (output, node.create_publisher(output.kind, f"~/{prefix}{topic}", FRAME_QOS))
            for topic, output in frame_outputs(task).items()
        }
        self._latency = node.create_publisher(msg.Latency, f"~/{prefix}latency", FRAME_QOS)

    def have_subscribers(self) -> bool:
        """Return whether any topic that is published once per frame has a subscriber, ~/latency included."""
        return any(publisher.get_subscription_count() for publisher in self._all())

    def is_subscribed(self, topic: str) -> bool:
        return self._outputs[topic][1].get_subscription_count() > 0

    def publish(self, frame: SegmentedFrame) -> list[str]:
        """Build and publish the outputs that have a subscriber; return their topics.

        The middleware has copied a message when its `publish` returns, so the next frame may reuse it.
        """
        published = []
        for topic, (output, publisher) in self._outputs.items():
            if publisher.get_subscription_count() and (message := output.build(frame)) is not None:
                publisher.publish(message)
                published.append(topic)
        return published

    def publish_latency(self, header: Header, times_ms: Mapping[str, float], dropped_frames: int) -> None:
        """Publish the latency of one frame; arguments as of `MessageFactory.latency`."""
        self._latency.publish(messages.latency(header, times_ms, dropped_frames))

    def close(self) -> None:
        for publisher in self._all():
            self._node.destroy_publisher(publisher)

    def _all(self) -> list[Publisher]:
        return [*(publisher for _, publisher in self._outputs.values()), self._latency]


class LabelPublishers:
    """~/label_info and ~/label_map: what the values of all masks mean. Latched, for late subscribers."""

    def __init__(self, node: Node, labels: LabelMap) -> None:
        self._node = node
        header = Header(stamp=node.get_clock().now().to_msg())
        self._label_info = node.create_publisher(LabelInfo, "~/label_info", LATCHED_QOS)
        self._label_map = node.create_publisher(msg.LabelMap, "~/label_map", LATCHED_QOS)
        self._label_info.publish(messages.label_info(header, labels))
        self._label_map.publish(messages.label_map(header, labels))

    def close(self) -> None:
        self._node.destroy_publisher(self._label_info)
        self._node.destroy_publisher(self._label_map)
