"""Time of each step of an output alone: `pieces.py HEIGHT WIDTH`; one event per topic, in ms."""

import sys
import time
from collections.abc import Callable

import numpy as np
from listener import IMAGES
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from sleeping_node import street_result
from std_msgs.msg import Header

from bisenetformer_ros.inference.engines.allocator import keep_freed_memory
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import StageTimes
from bisenetformer_ros.ros.node.outputs import SegmentedFrame, frame_outputs
from bisenetformer_ros.ros.replay.event_stream import emit

STEPS = ("draw", "serialize", "deserialize")
"""draw: result to message. serialize: Python message to C to CDR. deserialize: the reverse."""
ROUNDS = 30


def main() -> None:
    keep_freed_memory()
    size = int(sys.argv[1]), int(sys.argv[2])
    labels = LabelMap.load("camvid11")
    rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    result = street_result(size, labels, StageTimes(0.0, 0.0, 0.0))
    frame = SegmentedFrame(Header(), rgb, result, labels, 0.5, None, None)
    outputs = frame_outputs("panoptic")
    for topic in IMAGES:
        build = outputs[topic].build
        message = build(frame)
        data = serialize_message(message)
        steps: dict[str, Callable[[], object]] = {
            "draw": lambda build=build: build(frame),
            "serialize": lambda message=message: serialize_message(message),
            "deserialize": lambda data=data: deserialize_message(data, Image),
        }
        emit("piece", topic=topic, steps={step: _median_ms(steps[step]) for step in STEPS})


def _median_ms(step: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - begin))
    return float(np.median(times))


if __name__ == "__main__":
    main()
