"""What the projection node hears, published by the test: an RGB-D camera and a segmentation node."""

from typing import Any

import numpy as np
from ros_graph import LATCHED, RELIABLE, Graph
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import ColorRGBA, Header

from bisenetformer_ros import msg

HEIGHT, WIDTH = 24, 32
FX, FY, CX, CY = 40.0, 50.0, 15.0, 11.0
ROAD, CAR = 0, 1
THING = (slice(4, 20), slice(6, 26))
"""Rows and columns of a car, with the instance 7; the rest is road, with the instance 300."""


def image(header: Header, pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Image:
    """The pixels byte by byte, with `padding` bytes after every row."""
    stored = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = [row.tobytes() + b"\xa5" * padding for row in stored]
    return Image(
        header=header,
        height=len(rows),
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big_endian),
        step=len(rows[0]),
        data=b"".join(rows),
    )


class DepthCamera:
    """Publishes what the node hears. A frame is sent with the stamp that is given, in nanoseconds."""

    def __init__(self, graph: Graph, name: str = "") -> None:
        """name: Of one of several cameras, such as `/rear`, for its topics."""
        self._node, self._sent = graph.node, graph.sent
        create = graph.node.create_publisher
        self.mask = create(Image, f"/bisenetformer{name}/mask", RELIABLE)
        self.panoptic = create(Image, f"/bisenetformer{name}/panoptic", RELIABLE)
        self.segments = create(msg.SegmentArray, f"/bisenetformer{name}/segments", RELIABLE)
        self.depth = create(Image, f"{name}/depth/image", RELIABLE)
        self.info = create(CameraInfo, f"{name}/depth/camera_info", RELIABLE)
        self.label_map = create(msg.LabelMap, "/bisenetformer/label_map", LATCHED)
        colors = [ColorRGBA(r=0.2, g=0.4, b=1.0, a=1.0), ColorRGBA(r=1.0, g=0.0, b=0.6, a=1.0)]
        self.label_map.publish(
            msg.LabelMap(class_ids=[ROAD, CAR], class_names=["road", "car"], is_thing=[False, True], colors=colors)
        )

    def close(self) -> None:
        for publisher in (self.mask, self.panoptic, self.segments, self.depth, self.info, self.label_map):
            self._node.destroy_publisher(publisher)

    def now(self) -> int:
        return self._node.get_clock().now().nanoseconds

    @staticmethod
    def stamp_ns(header: Header) -> int:
        return header.stamp.sec * 10**9 + header.stamp.nanosec

    def header(self, stamp_ns: int, frame_id: str = "color_optical") -> Header:
        header = Header(frame_id=frame_id)
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
        return header

    def send_result(self, stamp_ns: int, leave_out: str = "") -> None:
        """What the segmentation node publishes for one image."""
        self._sent.add(divmod(stamp_ns, 10**9))
        header = self.header(stamp_ns)
        labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
        labels[THING] = CAR
        instances = np.where(labels == CAR, 7, 300).astype(np.uint16)
        rows, columns = THING
        box = RegionOfInterest(
            y_offset=rows.start,
            x_offset=columns.start,
            height=rows.stop - rows.start,
            width=columns.stop - columns.start,
        )
        everywhere = RegionOfInterest(height=HEIGHT, width=WIDTH)
        segments = [
            msg.Segment(id=7, class_id=CAR, class_name="car", is_thing=True, score=0.75, area=320, box=box),
            msg.Segment(id=300, class_id=ROAD, class_name="road", score=0.5, area=448, box=everywhere),
        ]
        if leave_out != "segments":
            self.segments.publish(msg.SegmentArray(header=header, segments=segments))
        if leave_out != "panoptic":
            self.panoptic.publish(image(header, instances, "mono16"))
        self.mask.publish(image(header, labels, "mono8"))

    def send_depth(self, stamp_ns: int, **changes: Any) -> None:
        """A depth image with its calibration; a change replaces a field of the image, or the array `depth`."""
        frame_id = changes.pop("frame_id", "color_optical")
        depth = changes.pop("depth", np.full((HEIGHT, WIDTH), 2000, np.uint16))
        info = changes.pop("info", self.calibration(*depth.shape))
        self._sent.add(divmod(stamp_ns, 10**9))
        message = image(self.header(stamp_ns, frame_id), depth, "16UC1" if depth.dtype == np.uint16 else "32FC1")
        for field, value in changes.items():
            setattr(message, field, value)
        if info is not None:
            self.info.publish(info)
        self.depth.publish(message)

    def calibration(self, height: int, width: int, **changes: Any) -> CameraInfo:
        """Of the pinhole camera above, for a depth image of this size: its matrix in a projection matrix."""
        k, l = width / WIDTH, height / HEIGHT  # noqa: E741
        p = [FX * k, 0.0, (CX + 0.5) * k - 0.5, 0.0, 0.0, FY * l, (CY + 0.5) * l - 0.5, 0.0, 0.0, 0.0, 1.0, 0.0]
        return CameraInfo(**{"height": height, "width": width, "p": p, **changes})

    def send(self, **changes: Any) -> int:
        """A whole frame of the present time; returns its stamp."""
        stamp_ns = self.now()
        self.send_result(stamp_ns)
        self.send_depth(stamp_ns, **changes)
        return stamp_ns
