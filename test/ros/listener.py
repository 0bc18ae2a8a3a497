"""A reliable subscriber as a process: `python listener.py TOPIC` takes images until it is interrupted."""

import sys

import rclpy
from sensor_msgs.msg import Image
from spinning import spin


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("listener")
    node.create_subscription(Image, sys.argv[1], lambda _: None, 10)
    spin(node)


if __name__ == "__main__":
    main()
