"""The node with a faulty environment: model, engine, cameras, QoS, signals."""

import os
import re
import signal
from pathlib import Path
from unittest.mock import patch

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from ros_graph import KILLABLE
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.ros.node.segmentation_node import main

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
IMAGE = "/image_raw"


@pytest.fixture(scope="module")
def reluctant(graph, start_node):
    """A node without a model and with a QoS override that is incompatible with best-effort cameras."""
    process = start_node(
        {
            "model": "/nowhere/model.safetensors",
            "precision": "fp32",  # nothing to measure on a first image, so the node is idle without subscribers
            f"qos_overrides.{IMAGE}.subscription.reliability": "reliable",
            f"qos_overrides.{IMAGE}.subscription.depth": "3",
        },
        BISENETFORMER_MODELS="/nowhere",
    )
    graph.wait_for(lambda: graph.status("model") is not None, "diagnostics")
    return process


def test_a_missing_model_is_reported_and_configure_can_be_retried(graph, reluctant, weights):
    graph.wait_for(lambda: graph.status("model").level == DiagnosticStatus.ERROR, "an error")
    assert "could not configure: model '/nowhere/model.safetensors' is neither a file" in graph.status("model").message
    assert "could not configure: model '/nowhere/model.safetensors'" in reluctant.output()
    assert graph.state() == "unconfigured"
    assert not graph.change_state("configure")  # still missing
    assert graph.set_parameter("model", "bisenetformer-l-ade") == (True, "")
    assert not graph.change_state("configure")
    assert re.search(
        r"'bisenetformer-l-ade' has not been downloaded.* download bisenetformer-l-ade`", reluctant.output()
    )
    assert graph.set_parameter("engine", "tensorrt") == (True, "")
    assert graph.set_parameter("model", str(weights)) == (True, "")
    assert not graph.change_state("configure")
    # not installed, no GPU, or no engine file
    assert re.search("could not configure: .*tensorrt", reluctant.output(), re.IGNORECASE)
    assert graph.state() == "unconfigured"
    assert graph.set_parameter("engine", "torch") == (True, "")
    assert graph.set_parameter("task", "semantic") == (True, "")
    assert graph.change_state("configure")
    assert graph.change_state("activate")
    graph.wait_for_status("model", DiagnosticStatus.OK, "active")


def test_semantic_task_has_no_panoptic_topics(graph, reluctant):
    graph.wait_for(lambda: graph.node.count_publishers("/bisenetformer/mask") == 1, "the mask's publisher")
    for topic in ("panoptic", "segments", "detections"):
        assert graph.node.count_publishers(f"/bisenetformer/{topic}") == 0


def wait_for_error(graph, *words: str) -> None:
    """Wait until the status of the images is an error with all the words."""
    graph.wait_for(
        lambda: all(word in graph.status(IMAGE).message for word in words), f"'{words}' in the status of the images"
    )
    assert graph.status(IMAGE).level == DiagnosticStatus.ERROR


def test_no_camera(graph, reluctant):
    wait_for_error(
        graph, "no images: no publisher on /image_raw", "the camera is not running", "ROS_DOMAIN_ID", "LARGE_DATA"
    )


def test_images_on_other_topics(graph, reluctant):
    with graph.camera("/front/image_color"), graph.camera("/rear/image_raw"):
        wait_for_error(graph, "/front/image_color", "-r image_raw:=/rear/image_raw")


def test_an_incompatible_publisher(graph, reluctant):
    with graph.camera(qos=BEST_EFFORT) as camera:
        fitting = "start this node without `qos_overrides./image_raw.subscription.reliability`"
        wait_for_error(graph, "/test offers an incompatible QoS", fitting)
        camera.send()


def test_a_publisher_of_another_type(graph, reluctant):
    publisher = graph.node.create_publisher(CompressedImage, IMAGE, 1)
    wait_for_error(graph, "/test publishes sensor_msgs/msg/CompressedImage, expected", "-p image_transport:=compressed")
    graph.node.destroy_publisher(publisher)


def test_a_compatible_publisher_that_does_not_publish(graph, reluctant):
    with graph.camera(), graph.listening({"mask": Image}):
        mine = "and this node ('')"
        wait_for_error(graph, "/test publishes on /image_raw, but nothing arrives", "the camera has stopped", mine)
    with graph.camera():
        graph.wait_for_status(IMAGE, DiagnosticStatus.OK, "idle: no subscribers")
    with graph.camera(), graph.listening({"mask": Image}):
        wait_for_error(graph, "/test publishes on /image_raw, but nothing arrives")
    assert reluctant.output().count("no images: ") == 1, "logged again without a recovery"


def test_qos_overrides_take_precedence(graph, reluctant):
    subscriptions = graph.node.get_subscriptions_info_by_topic
    with graph.listening({"mask": Image}):
        (info,) = graph.wait_for(lambda: subscriptions(IMAGE), "the node's subscription")
    assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert "recovered" not in reluctant.output(), "not one of the cameras so far had an image"


def test_sigterm_ends_the_node_without_a_traceback(reluctant):
    assert reluctant.stop(signal.SIGTERM) == 0
    assert "Traceback" not in reluctant.output()


def test_a_killed_node_resumes_after_a_restart(graph, start, start_node, weights):
    start(str(Path(__file__).parents[1] / "camera.py"), "5")
    parameters = {"model": str(weights), "task": "semantic"}
    with graph.listening({"mask": Image}) as messages:
        first = start_node(parameters, **KILLABLE)
        graph.wait_for(lambda: len(messages["mask"]) >= 2, "masks of the first node")
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        killed_at = graph.node.get_clock().now()
        start_node(parameters)
        graph.wait_for(
            lambda: any(Time.from_msg(mask.header.stamp) > killed_at for mask in messages["mask"]),
            "masks of the second node, of images taken after the first one's end",
        )


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"score_threshold": "2.0"}, ["score_threshold", "2.0"]),
        ({"engine": "steam"}, ["engine: expected one of auto, torch", "steam"]),
        ({f"qos_overrides.{IMAGE}.subscription.reliability": "sometimes"}, ["sometimes", "best_effort"]),
    ],
)
def test_an_invalid_initial_parameter_gives_a_message_without_a_traceback(capfd, parameter, words):
    arguments = [argument for name, value in parameter.items() for argument in ("-p", f"{name}:={value}")]
    with patch.dict(os.environ):  # the node chooses the shared memory of its whole process
        assert main(["--ros-args", *arguments]) == 2
    message = capfd.readouterr().err
    assert "Traceback" not in message
    for word in words:
        assert word in message
