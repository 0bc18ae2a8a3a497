"""Prints the memory of tracking and projection over many frames: `python tools/memory_over_frames.py`.

Needs a sourced tools/env.sh. A tracker follows random things, and every frame is paired with a depth image, projected
to a cloud and serialized, all in this process and without the middleware. Some messages are lost or late.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from bisenetformer_ros import msg
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.ros.message_types import messages
from bisenetformer_ros.ros.projection.outputs import CloudOutput
from bisenetformer_ros.ros.projection.pairing import StampPairing
from bisenetformer_ros.ros.projection.projection_node import read_pair

HEIGHT, WIDTH = 120, 160
PERIOD_NS = 100_000_000
STEP = 1000
NEEDED = {"mask", "panoptic", "segments"}


def random_result(random: np.random.Generator) -> SegmentationResult:
    """A road with up to 20 things, in front of each other."""
    panoptic_map = np.ones((HEIGHT, WIDTH), np.uint16)
    for number in range(2, 2 + random.integers(0, 21)):
        x, y = random.integers(0, (WIDTH - 30, HEIGHT - 30))
        panoptic_map[y : y + 30, x : x + 20] = number
    segments = []
    for number in np.unique(panoptic_map).tolist():
        rows, columns = np.nonzero(panoptic_map == number)
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        is_thing = number > 1
        name = "car" if is_thing else "road"
        segments.append(Segment(number, int(is_thing), name, is_thing, 0.9, len(rows), box, (0.0, 0.0)))
    label_map = (panoptic_map > 1).astype(np.uint8)
    return SegmentationResult(label_map, np.full_like(label_map, 200), panoptic_map, tuple(segments))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000, help="number of frames (default: %(default)s)")
    frames = parser.parse_args().frames
    random = np.random.default_rng(0)
    tracker, pairing, output = Tracker(), StampPairing(lambda topic, reason: None), CloudOutput()
    k = [100.0, 0.0, WIDTH / 2, 0.0, 100.0, HEIGHT / 2, 0.0, 0.0, 1.0]
    info, palette = CameraInfo(height=HEIGHT, width=WIDTH, k=k), np.zeros((256, 3), np.uint8)
    num_clouds = 0
    print("| frames | clouds | RSS in MB | tracks | results that wait | depth images that wait |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number in range(frames + 1):
        if number % STEP == 0:
            waiting = f"{len(pairing._results)} | {len(pairing._depths)}"
            print(
                f"| {number} | {num_clouds} | {resident_mb():.1f} | {len(tracker._tracks.ids)} | {waiting} |",
                flush=True,
            )
        result = tracker.update(random_result(random), number / 10)
        stamp = number * PERIOD_NS
        header = Header()
        header.stamp.sec, header.stamp.nanosec = divmod(stamp, 10**9)
        depth = messages.image(header, random.integers(0, 9000, (HEIGHT, WIDTH)).astype(np.uint16))
        depth.encoding = "16UC1"
        arriving = [
            ("mask", stamp, messages.image(header, result.label_map)),
            ("panoptic", stamp, messages.image(header, result.panoptic_map)),
            ("segments", stamp, msg.SegmentArray(header=header)),
            ("depth", stamp + int(random.integers(-9, 10)) * 10**6, depth),
        ]
        for place in random.permutation(len(arriving)):
            topic, at, message = arriving[place]
            pair = pairing.add(topic, at, message, NEEDED) if random.random() > 0.02 else None
            if pair is not None:
                serialize_message(output.build(read_pair(pair, info, palette)))
                num_clouds += 1


def resident_mb() -> float:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
