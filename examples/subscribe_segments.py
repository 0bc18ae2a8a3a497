"""Subscribe to the node's segments and print what it sees.

python examples/subscribe_segments.py
python examples/subscribe_segments.py --ros-args -r /bisenetformer/segments:=/robot/segmentation/segments
"""

import rclpy
from bisenetformer_ros.msg import Segment, SegmentArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node


class SegmentPrinter(Node):
    """Print one line per frame: instances with score and box, stuff with its area."""

    def __init__(self) -> None:
        super().__init__("segment_printer")
        self.create_subscription(SegmentArray, "/bisenetformer/segments", self._on_segments, 1)

    def _on_segments(self, message: SegmentArray) -> None:
        stamp = message.header.stamp
        descriptions = ", ".join(describe(segment) for segment in message.segments) or "nothing"
        print(f"{stamp.sec}.{stamp.nanosec:09d} {message.header.frame_id}: {descriptions}", flush=True)


def describe(segment: Segment) -> str:
    if not segment.is_thing:
        return f"{segment.class_name} ({segment.area} px)"
    box = segment.box
    return (
        f"{segment.class_name} #{segment.id} (score {segment.score:.2f}, "
        f"{box.width}x{box.height} px at {box.x_offset}, {box.y_offset})"
    )


def main() -> None:
    rclpy.init()
    try:
        rclpy.spin(SegmentPrinter())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # otherwise Ctrl-C came between two steps of rclpy
            raise


if __name__ == "__main__":
    main()
