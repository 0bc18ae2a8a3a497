"""A camera as a process: `python camera.py RATE_HZ` publishes small images on image_raw until it is interrupted.

Further arguments: `best_effort` for the reliability, `large` for images of 2048x1024.
"""

import array
import contextlib
import sys

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from spinning import spin


def main() -> None:
    height, width = (1024, 2048) if "large" in sys.argv else (48, 80)
    pixels = array.array("B", bytes(height * width * 3))
    rclpy.init()
    node = rclpy.create_node("camera")
    reliability = ReliabilityPolicy.BEST_EFFORT if "best_effort" in sys.argv else ReliabilityPolicy.RELIABLE
    publisher = node.create_publisher(Image, "image_raw", QoSProfile(depth=1, reliability=reliability))

    def publish() -> None:
        message = Image(height=height, width=width, encoding="rgb8", step=3 * width, data=pixels)
        message.header.frame_id = "front_camera"
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)

    node.create_timer(1 / float(sys.argv[1]), publish)
    spin(node)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # before it spins
        main()
