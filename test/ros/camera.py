"""A camera as a process: `python camera.py RATE_HZ` publishes small images on image_raw until it is interrupted.

A second argument `best_effort` sets the reliability.
"""

import sys

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from spinning import spin


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("camera")
    reliability = ReliabilityPolicy.BEST_EFFORT if "best_effort" in sys.argv else ReliabilityPolicy.RELIABLE
    publisher = node.create_publisher(Image, "image_raw", QoSProfile(depth=1, reliability=reliability))
    pixels = bytes(48 * 80 * 3)

    def publish() -> None:
        message = Image(height=48, width=80, encoding="rgb8", step=240, data=pixels)
        message.header.frame_id = "front_camera"
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)

    node.create_timer(1 / float(sys.argv[1]), publish)
    spin(node)


if __name__ == "__main__":
    main()
