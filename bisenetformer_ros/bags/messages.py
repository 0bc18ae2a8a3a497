"""Results → messages for a bag: field for field what the node publishes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.results import UNLABELED, Segment, SegmentationResult

_ENCODINGS = {("uint8", 2): "mono8", ("uint16", 2): "mono16", ("uint8", 3): "rgb8"}


def header(stamp_ns: int, frame_id: str = "") -> Any:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = _type("builtin_interfaces/msg/Time")(seconds, nanoseconds)
    return _type("std_msgs/msg/Header")(stamp, frame_id)


def image(head: Any, pixels: np.ndarray) -> Any:
    """(H, W) uint8 → mono8, (H, W) uint16 → mono16, (H, W, 3) uint8 → rgb8; rows without padding."""
    height, width = pixels.shape[:2]
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    data = np.ascontiguousarray(little).reshape(-1).view(np.uint8)
    encoding = _ENCODINGS[pixels.dtype.name, pixels.ndim]
    return _type("sensor_msgs/msg/Image")(head, height, width, encoding, 0, data.size // height, data)


def compressed_image(head: Any, kind: str, file: bytes) -> Any:
    """kind: "jpeg" or "png"."""
    return _type("sensor_msgs/msg/CompressedImage")(head, kind, np.frombuffer(file, np.uint8))


def camera_info(head: Any, height: int, width: int) -> Any:
    """Of a camera that is not calibrated: zeros, as the definition of the message asks for."""
    whole = _type("sensor_msgs/msg/RegionOfInterest")(0, 0, 0, 0, do_rectify=False)
    matrices = np.zeros(0), np.zeros(9), np.zeros(9), np.zeros(12)
    return _type("sensor_msgs/msg/CameraInfo")(head, height, width, "", *matrices, 0, 0, whole)


def segment_array(head: Any, result: SegmentationResult) -> Any:
    return _type("bisenetformer_ros/msg/SegmentArray")(head, [_segment(segment) for segment in result.segments])


def _segment(segment: Segment) -> Any:
    x_min, y_min, x_max, y_max = segment.box_xyxy
    return _type("bisenetformer_ros/msg/Segment")(
        id=segment.id,
        class_id=segment.class_id,
        class_name=segment.class_name,
        is_thing=segment.is_thing,
        score=segment.score,
        area=segment.area,
        box=_type("sensor_msgs/msg/RegionOfInterest")(x_min, y_min, y_max - y_min, x_max - x_min, do_rectify=False),
        centroid_x=segment.centroid_xy[0],
        centroid_y=segment.centroid_xy[1],
    )


def detection_array(head: Any, result: SegmentationResult) -> Any:
    """The things of a result. `class_id` is the number as a string, `id` the segment's id in the panoptic image."""
    things = [segment for segment in result.segments if segment.is_thing]
    return _type("vision_msgs/msg/Detection2DArray")(head, [_detection(head, segment) for segment in things])


def _detection(head: Any, segment: Segment) -> Any:
    x_min, y_min, x_max, y_max = segment.box_xyxy
    middle = _type("vision_msgs/msg/Point2D")((x_min + x_max) / 2, (y_min + y_max) / 2)
    box = _type("vision_msgs/msg/BoundingBox2D")(
        _type("vision_msgs/msg/Pose2D")(middle, 0.0), float(x_max - x_min), float(y_max - y_min)
    )
    hypothesis = _type("vision_msgs/msg/ObjectHypothesis")(str(segment.class_id), segment.score)
    found = _type("vision_msgs/msg/ObjectHypothesisWithPose")(hypothesis, _no_pose())
    return _type("vision_msgs/msg/Detection2D")(head, [found], box, str(segment.id))


def _no_pose() -> Any:
    point = _type("geometry_msgs/msg/Point")(0.0, 0.0, 0.0)
    pose = _type("geometry_msgs/msg/Pose")(point, _type("geometry_msgs/msg/Quaternion")(0.0, 0.0, 0.0, 1.0))
    return _type("geometry_msgs/msg/PoseWithCovariance")(pose, np.zeros(36))


def label_info(head: Any, labels: LabelMap) -> Any:
    """Names of all values in the mask, 255 (unlabeled) among them."""
    names = [(label.id, label.name) for label in labels] + [(UNLABELED, "unlabeled")]
    vision_class = _type("vision_msgs/msg/VisionClass")
    return _type("vision_msgs/msg/LabelInfo")(head, [vision_class(number, name) for number, name in names], 0.0)


def label_map(head: Any, labels: LabelMap) -> Any:
    return _type("bisenetformer_ros/msg/LabelMap")(
        head,
        np.array([label.id for label in labels], np.uint8),
        [label.name for label in labels],
        np.array([label.is_thing for label in labels], bool),
        [_color(label) for label in labels],
    )


def _color(label: Label) -> Any:
    red, green, blue = (channel / 255 for channel in label.color)
    return _type("std_msgs/msg/ColorRGBA")(red, green, blue, 1.0)


def latency(head: Any, times_ms: Mapping[str, float], dropped_frames: int) -> Any:
    """times_ms: stage → time; stages that a bag does not have (transport, publish) are 0."""
    stages = ("transport", "decode", "preprocess", "inference", "postprocess", "publish")
    times = {f"{stage}_ms": times_ms.get(stage, 0.0) for stage in stages}
    total = sum(times_ms.values())
    return _type("bisenetformer_ros/msg/Latency")(head, **times, total_ms=total, dropped_frames=dropped_frames)


def _type(name: str) -> Any:
    return message_types().types[name]
