"""`bisenetformer export --calibrate-topic`: images of a topic of the running graph."""

import re

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from patience import LIMIT_S
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

pytest.importorskip("onnxscript", reason="the exporter is not installed")

EXPORT = """
import sys
from bisenetformer_ros.cli import export
from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.ros import image_topic
image_topic.SILENCE_S = {silence}
def build(weights, options, calibration):
    print("calibrated on", *(int(frame.mean()) for frame in calibration), flush=True)
    sys.exit(0)
export.build_onnx = build
sys.exit(main(sys.argv[1:]))
"""
"""The command up to the building of the graph, which prints the images instead."""


@pytest.fixture
def run(start, weights, tmp_path):
    """Start the command with a topic; it ends after `silence` seconds without an image."""

    def run(topic, *options, silence=LIMIT_S):
        words = ["export", str(weights), str(tmp_path / "nano.onnx"), "--size", "24x32", "--precision", "int8"]
        return start("-c", EXPORT.format(silence=silence), *words, "--calibrate-topic", topic, *options)

    return run


@pytest.mark.parametrize("kind", [Image, CompressedImage])
def test_images_two_seconds_apart_calibrate(graph, run, kind):
    """The camera sends ten images a second by their stamps; image i has the value i // 10."""
    topic = f"/{kind.__name__.lower()}/image"
    publisher = graph.node.create_publisher(kind, topic, 10)
    process, sent = run(topic), [0]

    def send() -> None:
        for _ in range(20):
            seconds, tenths = divmod(sent[0], 10)
            pixels = np.full((24, 32, 3), seconds % 250, np.uint8)
            header = Header(stamp=Time(sec=seconds, nanosec=tenths * 10**8))
            if kind is Image:
                message = Image(header=header, height=24, width=32, encoding="rgb8", step=96, data=pixels.tobytes())
            else:
                message = CompressedImage(header=header, format="png", data=cv2.imencode(".png", pixels)[1].tobytes())
            publisher.publish(message)
            sent[0] += 1

    graph.wait_for(lambda: not process.alive(), "the command ends", send)
    graph.node.destroy_publisher(publisher)
    values = [int(value) for value in re.search(r"calibrated on ([\d ]+)", process.output())[1].split()]
    assert len(values) == 32  # of 48
    gaps = np.diff(values) % 250
    assert gaps.min() >= 2
    assert process.stop() == 0


def test_images_are_scaled_by_their_bit_depth(graph, run):
    """Samples of 12 bits, half of their range: 127 of 255; taken for 16 bits, 7."""
    publisher = graph.node.create_publisher(Image, "/deep/image", 10)
    process, sent = run("/deep/image", "--bit-depth", "12"), [0]
    pixels = np.full((24, 32), 2047, np.uint16).tobytes()

    def send() -> None:
        for _ in range(4):
            header = Header(stamp=Time(sec=3 * sent[0]))
            publisher.publish(Image(header=header, height=24, width=32, encoding="mono16", step=64, data=pixels))
            sent[0] += 1

    graph.wait_for(lambda: not process.alive(), "the command ends", send)
    graph.node.destroy_publisher(publisher)
    values = re.search(r"calibrated on ([\d ]+)", process.output())[1].split()
    assert values == ["127"] * 32
    assert process.stop() == 0


def test_nothing_arrives(graph, run):
    with graph.camera("front/image_raw"):
        process = run("/rear/image_raw", silence=3)
        graph.wait_for(lambda: not process.alive(), "the command ends")
    words = "/rear/image_raw: no of 48 images arrived, none in the last 3 s: nobody publishes it; topics with images: "
    assert words in process.output()
    assert "/front/image_raw" in process.output()
    assert process.stop() == 2


def test_a_camera_that_stops(graph, run):
    with graph.camera("front/image_raw") as camera:
        process = run("/front/image_raw", silence=3)
        sent = []
        graph.wait_for(
            lambda: not process.alive(),
            "the command ends",
            lambda: graph.node.count_subscribers("/front/image_raw") and not sent and sent.append(camera.send()),
        )
    assert re.search(r"(1|no) of 48 images arrived, none in the last 3 s: its camera has stopped", process.output())
    assert process.stop() == 2


def test_a_topic_without_images(graph, run):
    publisher = graph.node.create_publisher(String, "/rosout_text", 1)
    process = run("/rosout_text", silence=3)
    graph.wait_for(lambda: not process.alive(), "the command ends")
    graph.node.destroy_publisher(publisher)
    assert "it is of type std_msgs/msg/String, expected sensor_msgs/msg/CompressedImage or" in process.output()
    assert process.stop() == 2
