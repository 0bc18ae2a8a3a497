"""A camera that publishes the same rgb8 image on image_raw: `camera.py HEIGHT WIDTH RATE_HZ FRAMES RELIABILITY`.

While a `publish` lasts longer than a period, it skips frames, as a driver does.
"""

import array
import math
import sys
import time

import rclpy
from builtin_interfaces.msg import Time
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from bisenetformer_ros.ros.replay.event_stream import emit

SETTLED_S = 1.0


def main() -> None:
    height, width, rate, frames = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("camera")
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[sys.argv[5].upper()])
    publisher = node.create_publisher(Image, "image_raw", qos)
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = array.array("B", bytes(range(256)) * (height * width * 3 // 256 + 1))[: height * width * 3]
    while not publisher.get_subscription_count():
        time.sleep(0.1)
    time.sleep(SETTLED_S)
    begin = time.monotonic()
    for _ in range(frames):
        seconds = time.monotonic() - begin
        time.sleep((math.floor(seconds * rate) + 1) / rate - seconds)
        now = time.time_ns()
        message.header.stamp = Time(sec=now // 10**9, nanosec=now % 10**9)
        publisher.publish(message)
    seconds = time.monotonic() - begin
    time.sleep(SETTLED_S)
    emit("finished", seconds=seconds)


if __name__ == "__main__":
    main()
