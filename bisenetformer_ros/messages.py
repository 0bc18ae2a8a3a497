"""Results → ROS messages, for a live graph and for bags alike; imports neither rclpy nor rosbags."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import STAGES, UNLABELED, Segment, SegmentationResult

FRAME_STAGES = ("transport", "decode", *STAGES, "publish")
"""The stages of a frame's latency, in order; a `Latency` message has a field `<stage>_ms` for each."""

_ENCODINGS = {("uint8", 2): "mono8", ("uint16", 2): "mono16", ("uint8", 3): "rgb8", ("float32", 2): "32FC1"}


class MessageFactory:
    """Builds messages from the types of one ROS library. Headers are passed on unchanged."""

    def __init__(self, new: Callable[..., Any], set_data: Callable[[Any, Any], None]) -> None:
        """Set the library.

        Args:
            new: Called as `new("std_msgs/msg/Header", frame_id="camera")`; missing fields get their default.
            set_data: Called as `set_data(message, buffer)`; sets the `uint8[] data` of a new message.
        """
        self._new = new
        self._set_data = set_data

    def header(self, stamp_ns: int, frame_id: str = "") -> Any:
        """Build a std_msgs/Header."""
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        stamp = self._new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
        return self._new("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)

    def image(self, header: Any, pixels: np.ndarray) -> Any:
        """Build a sensor_msgs/Image with rows without padding.

        Args:
            header: Of the message.
            pixels: (H, W) uint8 → mono8, (H, W) uint16 → mono16, (H, W, 3) uint8 → rgb8, (H, W) float32 → 32FC1.
        """
        height, width = pixels.shape[:2]
        message = self._new(
            "sensor_msgs/msg/Image",
            header=header,
            height=height,
            width=width,
            encoding=_ENCODINGS[pixels.dtype.name, pixels.ndim],
            is_bigendian=int(sys.byteorder == "big"),
            step=pixels.nbytes // height,
        )
        self._set_data(message, np.ascontiguousarray(pixels).data.cast("B"))
        return message

    def compressed_image(self, header: Any, encoding: str, file: bytes) -> Any:
        """Build a sensor_msgs/CompressedImage of a "jpeg" or "png" file."""
        message = self._new("sensor_msgs/msg/CompressedImage", header=header, format=encoding)
        self._set_data(message, file)
        return message

    def camera_info(self, header: Any, height: int, width: int, matrix: np.ndarray | None = None) -> Any:
        """Build a sensor_msgs/CameraInfo.

        Args:
            header: Of the image.
            height: Of the image in pixels.
            width: Of the image in pixels.
            matrix: (3, 3) camera matrix of a camera without distortion. None for an uncalibrated camera, which has all
                zeros, as the definition of the message asks for.
        """
        if matrix is None:
            return self._new("sensor_msgs/msg/CameraInfo", header=header, height=height, width=width)
        return self._new(
            "sensor_msgs/msg/CameraInfo",
            header=header,
            height=height,
            width=width,
            distortion_model="plumb_bob",
            d=np.zeros(5),
            k=matrix.ravel(),
            r=np.eye(3).ravel(),
            p=np.pad(matrix, ((0, 0), (0, 1))).ravel(),
        )

    def segment_array(self, header: Any, result: SegmentationResult) -> Any:
        """Build a bisenetformer_ros/SegmentArray."""
        segments = [self._segment(segment) for segment in result.segments]
        return self._new("bisenetformer_ros/msg/SegmentArray", header=header, segments=segments)

    def _segment(self, segment: Segment) -> Any:
        x_min, y_min, x_max, y_max = segment.box_xyxy
        size = {"width": x_max - x_min, "height": y_max - y_min}
        return self._new(
            "bisenetformer_ros/msg/Segment",
            id=segment.id,
            class_id=segment.class_id,
            class_name=segment.class_name,
            is_thing=segment.is_thing,
            score=segment.score,
            area=segment.area,
            box=self._new("sensor_msgs/msg/RegionOfInterest", x_offset=x_min, y_offset=y_min, **size),
            centroid_x=segment.centroid_xy[0],
            centroid_y=segment.centroid_xy[1],
        )

    def detection_array(self, header: Any, result: SegmentationResult) -> Any:
        """Build a vision_msgs/Detection2DArray of the things in a result.

        `class_id` is the class's number as a string, `id` the segment's id in the panoptic image.
        """
        things = [self._detection(header, segment) for segment in result.segments if segment.is_thing]
        return self._new("vision_msgs/msg/Detection2DArray", header=header, detections=things)

    def _detection(self, header: Any, segment: Segment) -> Any:
        x_min, y_min, x_max, y_max = segment.box_xyxy
        class_id, score = str(segment.class_id), segment.score
        hypothesis = self._new("vision_msgs/msg/ObjectHypothesis", class_id=class_id, score=score)
        result = self._new("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis)
        position = self._new("vision_msgs/msg/Point2D", x=(x_min + x_max) / 2, y=(y_min + y_max) / 2)
        center = self._new("vision_msgs/msg/Pose2D", position=position)
        size = {"size_x": float(x_max - x_min), "size_y": float(y_max - y_min)}
        box = self._new("vision_msgs/msg/BoundingBox2D", center=center, **size)
        return self._new("vision_msgs/msg/Detection2D", header=header, id=str(segment.id), bbox=box, results=[result])

    def label_info(self, header: Any, labels: LabelMap) -> Any:
        """Build a vision_msgs/LabelInfo that names every value of the mask, 255 (unlabeled) among them."""
        names = [(label.id, label.name) for label in labels] + [(UNLABELED, "unlabeled")]
        classes = [self._new("vision_msgs/msg/VisionClass", class_id=id_, class_name=name) for id_, name in names]
        return self._new("vision_msgs/msg/LabelInfo", header=header, class_map=classes)

    def label_map(self, header: Any, labels: LabelMap) -> Any:
        """Build a bisenetformer_ros/LabelMap."""
        return self._new(
            "bisenetformer_ros/msg/LabelMap",
            header=header,
            class_ids=[label.id for label in labels],
            class_names=[label.name for label in labels],
            is_thing=[label.is_thing for label in labels],
            colors=[self._color(label.color) for label in labels],
        )

    def _color(self, color: tuple[int, int, int]) -> Any:
        red, green, blue = (channel / 255 for channel in color)
        return self._new("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=1.0)

    def latency(self, header: Any, times_ms: Mapping[str, float], dropped_frames: int) -> Any:
        """Build a bisenetformer_ros/Latency.

        Args:
            header: Of the camera image.
            times_ms: Stage → milliseconds; a missing stage is 0, a missing `total` is the sum of the others.
            dropped_frames: Since the node started.
        """
        times = {f"{stage}_ms": float(times_ms.get(stage, 0.0)) for stage in FRAME_STAGES}
        total_ms = float(times_ms.get("total", sum(times.values())))
        fields = {**times, "total_ms": total_ms, "dropped_frames": dropped_frames}
        return self._new("bisenetformer_ros/msg/Latency", header=header, **fields)
