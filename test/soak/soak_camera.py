"""A faulty camera: `python -m soak_camera TOPIC RATE_HZ HEIGHT WIDTH`, until it is interrupted.

Every 20th frame is a bad image of `faults`, in turn. Emits the number of frames and of bad frames sent so far, once a
second and at the end.
"""

import itertools
import sys
import time

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from faults import RAW
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from bisenetformer_ros.ros.message_types import messages
from bisenetformer_ros.ros.replay.event_stream import emit
from bisenetformer_ros.ros.shared_memory import use_large_shared_memory

BAD_EVERY = 20
PICTURES = 8


def main() -> None:
    topic, rate, size = sys.argv[1], float(sys.argv[2]), (int(sys.argv[3]), int(sys.argv[4]))
    use_large_shared_memory()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f"camera_{topic.split('/')[1]}")
    publisher = node.create_publisher(Image, topic, QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
    noise = np.random.default_rng(0)
    pictures = itertools.cycle([noise.integers(0, 256, (*size, 3), np.uint8) for _ in range(PICTURES)])
    faults = itertools.cycle(RAW)
    sent = bad = 0
    try:
        while not publisher.get_subscription_count():
            time.sleep(0.1)
        due, report_due = time.monotonic(), 0.0
        while True:
            message = messages.image(_header(), next(pictures))
            if sent % BAD_EVERY == BAD_EVERY - 1:
                message = _spoil(message, next(faults).changes)
                bad += 1
            publisher.publish(message)
            sent += 1
            if time.monotonic() > report_due:
                emit("sent", topic=topic, sent=sent, bad=bad)
                report_due = time.monotonic() + 1
            due = max(due + 1 / rate, time.monotonic() - 1 / rate)
            time.sleep(max(0.0, due - time.monotonic()))
    except KeyboardInterrupt:
        emit("sent", topic=topic, sent=sent, bad=bad)


def _header() -> Header:
    now = time.time_ns()
    return Header(stamp=Time(sec=now // 10**9, nanosec=now % 10**9), frame_id="camera")


def _spoil(message: Image, changes: dict) -> Image:
    for field, value in changes.items():
        setattr(message, field, value)
    return message


if __name__ == "__main__":
    main()
