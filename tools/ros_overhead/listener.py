"""Subscribes to every image output of the node: `listener.py NODE`, until it is interrupted.

One event per image on stdout, with its age in ms on arrival in the middleware and in the callback.
"""

import sys
from collections.abc import Callable

import rclpy
from bisenetformer_ros.msg import Latency
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import MessageInfo
from sensor_msgs.msg import Image

from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds

IMAGES = ("mask", "confidence", "color_mask", "overlay", "panoptic")
QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)


def main() -> None:
    keep_freed_memory()  # otherwise page faults take half of its time, which the node needs
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("listener")
    for topic in IMAGES:
        node.create_subscription(Image, f"{sys.argv[1]}/{topic}", _recorder(node, topic), QOS)
    node.create_subscription(Latency, f"{sys.argv[1]}/latency", _record_latency, QOS)
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        return


def _recorder(node: Node, topic: str) -> Callable[[Image, MessageInfo], None]:
    def record(message: Image, info: MessageInfo) -> None:
        read = node.get_clock().now().nanoseconds
        stamp = nanoseconds(message.header.stamp)
        ages = {"arrived_ms": 1e-6 * (info["received_timestamp"] - stamp), "read_ms": 1e-6 * (read - stamp)}
        emit("image", topic=topic, stamp=stamp, **ages)

    return record


def _record_latency(message: Latency) -> None:
    fields = [name for name in message.get_fields_and_field_types() if name.endswith("_ms")]
    stages = {name.removesuffix("_ms"): getattr(message, name) for name in fields}
    emit("latency", stamp=nanoseconds(message.header.stamp), stages=stages)


if __name__ == "__main__":
    main()
