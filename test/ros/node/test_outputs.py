"""Outputs and their publishers, which draw into the same messages every time."""

import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.ros.node.outputs import OutputPublishers, SegmentedFrame

LABELS = LabelMap.load("camvid11")
SIZE = (240, 320)
FRAMES = 8
CAMERAS = {"front/": 0, "rear/": 100}
"""Prefix of the topics → offset from the number of a frame to its pixel values."""


def frame(number: int, value: int) -> SegmentedFrame:
    """A frame stamped with its number whose labels, confidences and segment ids are all `value`."""
    header = Header(frame_id="camera")
    header.stamp.sec = number
    result = SegmentationResult(*(np.full(SIZE, value, dtype) for dtype in (np.uint8, np.uint8, np.uint16)), ())
    return SegmentedFrame(header, np.zeros((*SIZE, 3), np.uint8), result, LABELS, 0.5, None, None)


@pytest.fixture
def outputs(graph) -> dict[str, OutputPublishers]:
    outputs = {prefix: OutputPublishers(graph.node, prefix, "panoptic") for prefix in CAMERAS}
    yield outputs
    for output in outputs.values():
        output.close()


def test_messages_are_independent_however_late_they_are_read(graph, outputs):
    """All frames of both cameras are published before the subscriber takes the first one."""
    dtypes = {"mask": np.uint8, "confidence": np.uint8, "panoptic": np.uint16}
    heard = {(prefix, topic): graph.collect(Image, f"/test/{prefix}{topic}") for prefix in CAMERAS for topic in dtypes}
    graph.wait_for(
        lambda: (
            all(graph.node.count_subscribers(f"/test/{prefix}{topic}") for prefix, topic in heard)
            and all(output.have_subscribers() for output in outputs.values())
        ),
        "the listeners are known",
    )
    for number in range(FRAMES):
        for prefix, offset in CAMERAS.items():
            published = outputs[prefix].publish(frame(number, number + offset))
            assert {*dtypes} <= {*published}
    graph.wait_for(lambda: all(len(messages) == FRAMES for messages in heard.values()), "every frame on every topic")
    for (prefix, topic), messages in heard.items():
        for number, message in enumerate(messages):
            assert message.header.stamp.sec == number
            pixels = np.frombuffer(message.data, dtypes[topic])
            assert (pixels.size, set(pixels.tolist())) == (SIZE[0] * SIZE[1], {number + CAMERAS[prefix]})
