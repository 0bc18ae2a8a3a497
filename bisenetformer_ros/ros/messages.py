"""Results → messages. Every function takes the header of the camera image and passes it on unchanged."""

import array
import sys
from dataclasses import fields

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import ColorRGBA, Header
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass

from bisenetformer_ros import msg
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED, Segment, SegmentationResult
from bisenetformer_ros.ros.health.statistics import FrameLatency

_ENCODINGS = {("uint8", 2): "mono8", ("uint16", 2): "mono16", ("uint8", 3): "rgb8"}


def image_message(header: Header, pixels: np.ndarray) -> Image:
    """(H, W) uint8 → mono8, (H, W) uint16 → mono16, (H, W, 3) uint8 → rgb8; rows without padding."""
    message = Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=_ENCODINGS[pixels.dtype.name, pixels.ndim],
        is_bigendian=int(sys.byteorder == "big"),
    )
    message.data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))  # one memcpy; assigning `data` is another one
    message.step = len(message.data) // message.height
    return message


class ImageCanvas:
    """An image message that is drawn into again and again, so that no memory is taken for every frame.

    Whoever publishes it must be done with it before it is drawn into again.
    """

    def __init__(self) -> None:
        self._message = Image(is_bigendian=int(sys.byteorder == "big"))
        self._pixels = np.zeros(0, np.uint8)

    def pixels(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        """The pixels of the message, to be drawn into; shapes and types as for `image_message`."""
        if self._pixels.shape != shape or self._pixels.dtype != dtype:
            self._message.data = array.array("B", [0]) * (int(np.prod(shape)) * np.dtype(dtype).itemsize)
            self._pixels = np.frombuffer(self._message.data, dtype).reshape(shape)
            self._message.height, self._message.width = shape[:2]
            self._message.encoding = _ENCODINGS[self._pixels.dtype.name, len(shape)]
            self._message.step = self._pixels.nbytes // shape[0]
        return self._pixels

    def message(self, header: Header) -> Image:
        """What was drawn."""
        self._message.header = header
        return self._message


def segment_array_message(header: Header, result: SegmentationResult) -> msg.SegmentArray:
    return msg.SegmentArray(header=header, segments=[_segment_message(segment) for segment in result.segments])


def _segment_message(segment: Segment) -> msg.Segment:
    x_min, y_min, x_max, y_max = segment.box_xyxy
    return msg.Segment(
        id=segment.id,
        class_id=segment.class_id,
        class_name=segment.class_name,
        is_thing=segment.is_thing,
        score=segment.score,
        area=segment.area,
        box=RegionOfInterest(x_offset=x_min, y_offset=y_min, width=x_max - x_min, height=y_max - y_min),
        centroid_x=segment.centroid_xy[0],
        centroid_y=segment.centroid_xy[1],
    )


def detections_message(header: Header, result: SegmentationResult) -> Detection2DArray:
    """The things of a result. `class_id` is the number as a string, `id` the segment's id in the panoptic image."""
    things = [segment for segment in result.segments if segment.is_thing]
    return Detection2DArray(header=header, detections=[_detection_message(header, segment) for segment in things])


def _detection_message(header: Header, segment: Segment) -> Detection2D:
    x_min, y_min, x_max, y_max = segment.box_xyxy
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = str(segment.class_id)
    hypothesis.hypothesis.score = segment.score
    detection = Detection2D(header=header, id=str(segment.id), results=[hypothesis])
    detection.bbox.center.position.x = (x_min + x_max) / 2
    detection.bbox.center.position.y = (y_min + y_max) / 2
    detection.bbox.size_x = float(x_max - x_min)
    detection.bbox.size_y = float(y_max - y_min)
    return detection


def label_info_message(stamp: Time, labels: LabelMap) -> LabelInfo:
    """Names of all values in the mask, 255 (unlabeled) among them."""
    names = [(label.id, label.name) for label in labels.labels] + [(UNLABELED, "unlabeled")]
    return LabelInfo(
        header=Header(stamp=stamp),
        class_map=[VisionClass(class_id=class_id, class_name=name) for class_id, name in names],
    )


def label_map_message(stamp: Time, labels: LabelMap) -> msg.LabelMap:
    return msg.LabelMap(
        header=Header(stamp=stamp),
        class_ids=[label.id for label in labels.labels],
        class_names=[label.name for label in labels.labels],
        is_thing=[label.is_thing for label in labels.labels],
        colors=[_color_message(label.color) for label in labels.labels],
    )


def _color_message(color: tuple[int, int, int]) -> ColorRGBA:
    red, green, blue = (channel / 255 for channel in color)
    return ColorRGBA(r=red, g=green, b=blue, a=1.0)


def latency_message(header: Header, latency: FrameLatency, dropped_frames: int) -> msg.Latency:
    times = {f"{field.name}_ms": float(getattr(latency, field.name)) for field in fields(latency)}
    return msg.Latency(header=header, dropped_frames=dropped_frames, **times)
