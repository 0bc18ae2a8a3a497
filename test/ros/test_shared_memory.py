"""Whether camera-sized images arrive over the default transport, best effort, from one process to another."""

import os
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Int32

from bisenetformer_ros.ros.shared_memory import OTHER_VARIABLE, SEGMENT_BYTES, VARIABLE, profile_for

FRAMES = 10
IMAGE_BYTES = 1024 * 2048 * 3


def send_large_images(domain: int, room: str, frames: int) -> tuple[int, int]:
    """Return how many images of another process arrive here, and the size of the shared memory it sends them through.

    Every image is waited for, or known to be lost, before the next one is sent.
    """
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    answers = node.create_publisher(Int32, "answer", 10)
    arrived = 0

    def on_image(message: Image) -> None:
        nonlocal arrived
        if message.encoding == "end":
            answers.publish(Int32(data=message.height))
        else:
            arrived += 1

    qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)  # room for what waits while this is busy
    node.create_subscription(Image, "large", on_image, qos)
    script = Path(__file__).with_name("large_camera.py")
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
    command = [sys.executable, script, room, str(frames)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as camera:
        while camera.poll() is None:
            executor.spin_once(timeout_sec=0.1)
        assert camera.returncode == 0
        segment_bytes = int(camera.stdout.read())
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    return arrived, segment_bytes


@pytest.mark.parametrize("discovery_range", ["SUBNET", "LOCALHOST"])
def test_large_images_arrive_with_a_large_segment(domain, monkeypatch, discovery_range):
    for variable in (VARIABLE, OTHER_VARIABLE, "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", discovery_range)
    arrived, segment_bytes = send_large_images(domain, "room", FRAMES)
    assert arrived == FRAMES
    assert segment_bytes >= SEGMENT_BYTES


def test_fast_dds_has_no_room_for_an_image_of_its_own_accord(domain, monkeypatch):
    """Of 40 images, 3 arrived. If this fails, large_images.xml may no longer be needed."""
    for variable in (VARIABLE, OTHER_VARIABLE, "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(variable, raising=False)
    _, segment_bytes = send_large_images(domain, "none", frames=0)
    assert segment_bytes < IMAGE_BYTES


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "large_images.xml"),
        ({"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"}, "large_images.xml"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, "large_images_localhost.xml"),
        ({"ROS_LOCALHOST_ONLY": "1"}, "large_images_localhost.xml"),
        ({"ROS_LOCALHOST_ONLY": "0", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "large_images.xml"),
        ({VARIABLE: "mine.xml"}, None),
        ({OTHER_VARIABLE: "mine.xml"}, "large_images.xml"),
    ],
)
def test_profile_for_the_environment(environment, name):
    profile = profile_for(environment)
    assert (profile and profile.name) == name
    assert profile is None or profile.is_file()


def test_profiles_have_segments_of_the_documented_size():
    by_buffer = xml.etree.ElementTree.parse(profile_for({})).getroot().find(".//{*}sendSocketBufferSize")
    local = profile_for({"ROS_LOCALHOST_ONLY": "1"})
    by_size = xml.etree.ElementTree.parse(local).getroot().find(".//{*}segment_size")
    assert 2 * int(by_buffer.text) == int(by_size.text) == SEGMENT_BYTES
