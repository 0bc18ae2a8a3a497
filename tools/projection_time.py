"""Measures what a cloud of the projection node costs: `python tools/projection_time.py` in a sourced tools/env.sh.

Prints the median processor time of one thread per step: the three images and the cloud pass through the middleware's
serialization on both sides, but not between processes. Unlike the time by the clock, it holds on a busy machine.
"""

import time

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from bisenetformer_ros import msg
from bisenetformer_ros.ros.message_types import messages
from bisenetformer_ros.ros.projection.outputs import CloudOutput
from bisenetformer_ros.ros.projection.pairing import Pair
from bisenetformer_ros.ros.projection.projection_node import read_pair

SIZES = ((480, 640), (720, 1280))
WARM_UP, CLOUDS = 3, 22
STEPS = ("receive images", "decode", "fill the cloud", "serialize", "receive cloud")


def measure(height: int, width: int) -> np.ndarray:
    """Return the milliseconds of each of STEPS."""
    random = np.random.default_rng(0)
    instances = random.integers(0, 30, (height, width)).astype(np.uint16)
    depth = messages.image(Header(), random.integers(0, 9000, (height, width)).astype(np.uint16))
    depth.encoding = "16UC1"
    images = [messages.image(Header(), (instances % 11).astype(np.uint8)), messages.image(Header(), instances), depth]
    sent = [serialize_message(image) for image in images]
    k = [500.0, 0.0, width / 2, 0.0, 500.0, height / 2, 0.0, 0.0, 1.0]
    info, palette = CameraInfo(height=height, width=width, k=k), np.zeros((256, 3), np.uint8)
    output, times = CloudOutput(), []
    for _ in range(WARM_UP + CLOUDS):
        clock = [time.thread_time()]
        mask, panoptic, depth = (deserialize_message(data, Image) for data in sent)
        clock.append(time.thread_time())
        parts = {"mask": mask, "panoptic": panoptic, "segments": msg.SegmentArray()}
        frame = read_pair(Pair(parts, depth), info, palette)
        clock.append(time.thread_time())
        cloud = output.build(frame)
        clock.append(time.thread_time())
        data = serialize_message(cloud)
        clock.append(time.thread_time())
        deserialize_message(data, PointCloud2)
        clock.append(time.thread_time())
        times.append(np.diff(clock) * 1e3)
    return np.median(times[WARM_UP:], axis=0)


def main() -> None:
    for height, width in SIZES:
        times = measure(height, width)
        steps = ", ".join(f"{step} {ms:.1f}" for step, ms in zip(STEPS, times, strict=True))
        print(f"{width}x{height}: {times.sum():.1f} ms ({steps})")


if __name__ == "__main__":
    main()
