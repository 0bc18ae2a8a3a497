"""Subscribes to image_raw, as the node does: `image_listener.py RELIABILITY`, until it is interrupted.

One event per image on stdout, with its age in ms in the callback.
"""

import sys

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds


def main() -> None:
    keep_freed_memory()  # as the node does
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("listener")

    def record(message: Image) -> None:
        emit("image", age_ms=1e-6 * (node.get_clock().now().nanoseconds - nanoseconds(message.header.stamp)))

    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[sys.argv[1].upper()])
    node.create_subscription(Image, "image_raw", record, qos)
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
