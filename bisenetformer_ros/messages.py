"""Results → ROS messages, for a live graph and for bags alike; imports neither rclpy nor rosbags."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from bisenetformer_ros.geometry.boxes import Box
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import STAGES, UNLABELED, Segment, SegmentationResult

FRAME_STAGES = ("transport", "decode", *STAGES, "publish")
"""The stages of a frame's latency, in order; a `Latency` message has a field `<stage>_ms` for each."""

_ENCODINGS = {("uint8", 2): "mono8", ("uint16", 2): "mono16", ("uint8", 3): "rgb8", ("float32", 2): "32FC1"}
_POINT_FIELDS = {"uint8": 2, "uint16": 4, "float32": 7}  # sensor_msgs/PointField
_DELETE_ALL, _CUBE, _TEXT = 3, 1, 9  # visualization_msgs/Marker
_MIN_SIZE_M = 0.01
"""RViz rejects markers without extent."""
_TEXT_SIZE_M = 0.25


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

    def point_cloud(self, header: Any, points: np.ndarray) -> Any:
        """Build an organized sensor_msgs/PointCloud2, in which NaN stands for a missing point.

        Args:
            header: Of the message.
            points: (H, W) structured; a uint32 field is sent as float32, as PCL's `rgb` is.
        """
        assert points.dtype.fields is not None
        fields = [
            self._new(
                "sensor_msgs/msg/PointField",
                name=name,
                offset=offset,
                datatype=_POINT_FIELDS["float32" if dtype.name == "uint32" else dtype.name],
                count=1,
            )
            for name, (dtype, offset, *_) in points.dtype.fields.items()
        ]
        height, width = points.shape
        message = self._new(
            "sensor_msgs/msg/PointCloud2",
            header=header,
            height=height,
            width=width,
            fields=fields,
            is_bigendian=sys.byteorder == "big",
            point_step=points.itemsize,
            row_step=width * points.itemsize,
            is_dense=False,
        )
        self._set_data(message, points.view(np.uint8).data.cast("B"))
        return message

    def detection_array_3d(self, header: Any, things: Iterable[tuple[Any, Box]]) -> Any:
        """Build a vision_msgs/Detection3DArray; `class_id` and `id` as in `detection_array`.

        Args:
            header: Of the message.
            things: Segments, or messages of them, with their boxes.
        """
        detections = [self._detection_3d(header, segment, box) for segment, box in things]
        return self._new("vision_msgs/msg/Detection3DArray", header=header, detections=detections)

    def _detection_3d(self, header: Any, segment: Any, box: Box) -> Any:
        class_id, score = str(segment.class_id), segment.score
        hypothesis = self._new("vision_msgs/msg/ObjectHypothesis", class_id=class_id, score=score)
        pose = self._new("geometry_msgs/msg/PoseWithCovariance", pose=self._pose(box.center))
        result = self._new("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=pose)
        bbox = self._new("vision_msgs/msg/BoundingBox3D", center=self._pose(box.center), size=self._vector(box.size))
        return self._new("vision_msgs/msg/Detection3D", header=header, id=str(segment.id), bbox=bbox, results=[result])

    def marker_array(self, header: Any, things: Iterable[tuple[Any, Box]], palette: np.ndarray) -> Any:
        """Build a visualization_msgs/MarkerArray that replaces all earlier ones: per thing a box, and a name above it.

        Args:
            header: Of the message.
            things: Segments, or messages of them, with their boxes.
            palette: (256, 3) uint8 RGB by class id.
        """
        markers = [self._new("visualization_msgs/msg/Marker", header=header, action=_DELETE_ALL)]
        for segment, box in things:
            color = self._color(tuple(palette[segment.class_id].tolist()))
            box_color = self._new("std_msgs/msg/ColorRGBA", r=color.r, g=color.g, b=color.b, a=0.5)
            size = tuple(max(side, _MIN_SIZE_M) for side in box.size)
            x, y, z = box.center
            above = self._pose((x, y - box.size[1] / 2 - _TEXT_SIZE_M, z))
            common = {"header": header, "id": segment.id}
            cube = {"type": _CUBE, "pose": self._pose(box.center), "scale": self._vector(size), "color": box_color}
            text_size = self._new("geometry_msgs/msg/Vector3", z=_TEXT_SIZE_M)
            text = {"type": _TEXT, "pose": above, "scale": text_size, "color": color}
            name = f"{segment.class_name} {segment.id}"
            markers += [
                self._new("visualization_msgs/msg/Marker", ns="boxes", **common, **cube),
                self._new("visualization_msgs/msg/Marker", ns="names", text=name, **common, **text),
            ]
        return self._new("visualization_msgs/msg/MarkerArray", markers=markers)

    def _pose(self, position: tuple[float, float, float]) -> Any:
        x, y, z = position
        return self._new("geometry_msgs/msg/Pose", position=self._new("geometry_msgs/msg/Point", x=x, y=y, z=z))

    def _vector(self, sides: tuple[float, ...]) -> Any:
        x, y, z = sides
        return self._new("geometry_msgs/msg/Vector3", x=x, y=y, z=z)

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
