"""A camera as a process: `python large_camera.py ROOM FRAMES` publishes full-size images on `large`, best effort.

ROOM is `room` or `none`: with the shared memory that is made for images, or with Fast DDS' own.
"""

import array
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from bisenetformer_ros.ros.shared_memory import make_room_for_images

HEIGHT, WIDTH = 1024, 2048


def main() -> None:
    if sys.argv[1] == "room":
        make_room_for_images()
    rclpy.init()
    node = rclpy.create_node("large_camera")
    publisher = node.create_publisher(Image, "large", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    while not publisher.get_subscription_count():
        time.sleep(0.1)
    time.sleep(0.5)
    data = array.array("B", bytes(HEIGHT * WIDTH * 3))
    for _ in range(int(sys.argv[2])):
        publisher.publish(Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=data))
        time.sleep(0.25)
    publisher.publish(Image(encoding="end"))
    time.sleep(1.0)


if __name__ == "__main__":
    main()
