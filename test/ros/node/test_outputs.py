"""The publishers of the node, without the node: messages that are drawn into again and again."""

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
"""Prefix of the topics → what is added to the number of a frame to get its pixels."""


def frame(number: int, value: int) -> SegmentedFrame:
    """One whose every label, confidence and segment id is `value`, and whose stamp is its number."""
    header = Header(frame_id="camera")
    header.stamp.sec = number
    result = SegmentationResult(*(np.full(SIZE, value, dtype) for dtype in (np.uint8, np.uint8, np.uint16)), ())
    return SegmentedFrame(header, np.zeros((*SIZE, 3), np.uint8), result, LABELS, 0.5, None)


@pytest.fixture
def outputs(graph) -> dict[str, OutputPublishers]:
    outputs = {prefix: OutputPublishers(graph.node, prefix, "panoptic") for prefix in CAMERAS}
    yield outputs
    for output in outputs.values():
        output.close()


def test_a_frame_never_shows_in_the_message_of_another_one_however_late_that_is_read(graph, outputs):
    """All frames of both cameras are published before the listener takes the first one."""
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
