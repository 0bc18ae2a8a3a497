"""Measures what a cloud of the projection node costs: `python tools/projection_time.py` in a sourced tools/env.sh.

The first line of a size has the median processor time of one thread per step: the three images and the cloud pass
through the serialization on both sides, but not between processes. The second line has the cloud's way to another
process: the processor time of all threads of both processes from the decoded images to the serialized cloud in C's
memory, copied once into Python's `bytes`, and the median time by the clock from `publish` to there. Unlike the time by
the clock, processor time holds on a busy machine.
"""

import multiprocessing
import time
from multiprocessing.connection import Connection

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from bisenetformer_ros import msg
from bisenetformer_ros.ros.message_types import messages
from bisenetformer_ros.ros.projection.outputs import CloudOutput, ProjectedFrame
from bisenetformer_ros.ros.projection.pairing import Pair
from bisenetformer_ros.ros.projection.projection_node import read_pair
from bisenetformer_ros.ros.qos import FRAME_QOS
from bisenetformer_ros.ros.shared_memory import use_large_shared_memory

SIZES = ((480, 640), (720, 1280))
WARM_UP, CLOUDS = 3, 22
STEPS = ("receive images", "decode", "fill the cloud", "serialize", "receive cloud")


def measure(height: int, width: int) -> tuple[np.ndarray, ProjectedFrame]:
    """Return the milliseconds of each of STEPS, and the frame."""
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
    return np.median(times[WARM_UP:], axis=0), frame


def listen(topic: str, pipe: Connection) -> None:
    """Send the time by the clock and the processor time of this process after every cloud, until something arrives."""
    use_large_shared_memory()
    rclpy.init()
    node = rclpy.create_node("listener")

    def on_cloud(data: bytes) -> None:
        pipe.send((time.monotonic(), time.process_time()))

    node.create_subscription(PointCloud2, topic, on_cloud, FRAME_QOS, raw=True)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not pipe.poll():
        executor.spin_once(timeout_sec=1.0)
    rclpy.shutdown()


def measure_transport(frame: ProjectedFrame, topic: str) -> tuple[float, float, float]:
    """Return the processor time of the publishing and of the receiving process per cloud, and the time by the clock
    from `publish` to the receiver, in milliseconds.
    """
    node = rclpy.create_node("publisher")
    publisher = node.create_publisher(PointCloud2, topic, FRAME_QOS)
    here, there = multiprocessing.Pipe()
    listener = multiprocessing.get_context("spawn").Process(target=listen, args=(topic, there), daemon=True)
    listener.start()
    while not publisher.get_subscription_count():
        time.sleep(0.1)
    output, delays, processor_times = CloudOutput(), [], []
    for _ in range(WARM_UP + CLOUDS):
        cloud = output.build(frame)
        published = time.monotonic()
        publisher.publish(cloud)
        while not here.poll(10.0):
            published = time.monotonic()
            publisher.publish(cloud)
        arrived, received = here.recv()
        delays.append((arrived - published) * 1e3)
        processor_times.append((time.process_time(), received))
    here.send(None)
    listener.join()
    node.destroy_node()
    publishing, receiving = np.diff(processor_times[WARM_UP:], axis=0).mean(axis=0) * 1e3
    return publishing, receiving, float(np.median(delays[WARM_UP:]))


def main() -> None:
    use_large_shared_memory()
    rclpy.init()
    for height, width in SIZES:
        times, frame = measure(height, width)
        steps = ", ".join(f"{step} {ms:.1f}" for step, ms in zip(STEPS, times, strict=True))
        print(f"{width}x{height}: {times.sum():.1f} ms ({steps})")
        publishing, receiving, delay = measure_transport(frame, f"/cloud_{width}")
        images = times[:2].sum()
        print(
            f"{width}x{height} to another process: {images + publishing + receiving:.1f} ms (receive and decode images "
            f"{images:.1f}, fill and publish {publishing:.1f}, receive serialized {receiving:.1f}); published to "
            f"received {delay:.1f} ms"
        )
    rclpy.shutdown()


if __name__ == "__main__":
    main()
