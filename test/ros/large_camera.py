"""A camera as a process: `python large_camera.py ROOM FRAMES` publishes full-size images on `large`, best effort.

ROOM is `room` or `none`: with shared memory that is made for images, or with Fast DDS's own; its size is printed.
After every image come small ones with the same number until it is heard on `answer`: then the next image follows.
"""

import array
import os
import re
import sys
from pathlib import Path

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Int32

from bisenetformer_ros.ros.shared_memory import use_large_shared_memory

HEIGHT, WIDTH = 1024, 2048


def segment_bytes(others: set[str]) -> int:
    """Return the size of the largest segment that Fast DDS has created here: mapped, and not among `others`."""
    maps = Path("/proc/self/maps").read_text()
    ranges = re.findall(r"^(\w+)-(\w+) .*/(fast(?:rtps|dds)_\w+)$", maps, re.MULTILINE)
    return max(int(end, 16) - int(begin, 16) for begin, end, name in ranges if name not in others)


def main() -> None:
    if sys.argv[1] == "room":
        use_large_shared_memory()
    others = set(os.listdir("/dev/shm"))
    rclpy.init()
    node = rclpy.create_node("large_camera")
    print(segment_bytes(others), flush=True)
    images = node.create_publisher(Image, "large", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    answers: list[int] = []
    node.create_subscription(Int32, "answer", lambda message: answers.append(message.data), 10)
    pixels = array.array("B", bytes(HEIGHT * WIDTH * 3))
    for number in range(int(sys.argv[2]) + 1):
        if number:  # the first answer says that the two processes know each other
            images.publish(Image(height=HEIGHT, width=WIDTH, encoding="rgb8", step=3 * WIDTH, data=pixels))
        while number not in answers:
            images.publish(Image(height=number, encoding="end"))
            rclpy.spin_once(node, timeout_sec=0.1)


if __name__ == "__main__":
    main()
