"""Whether camera-sized images arrive over the default transport, best effort, from one process to another."""

import os
import subprocess
import sys
import xml.etree.ElementTree
from collections import Counter
from pathlib import Path

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from bisenetformer_ros.ros.shared_memory import OTHER_VARIABLE, SEGMENT_BYTES, VARIABLE, profile_for

FRAMES = 10


def arrived(domain: int, room: str) -> int:
    """How many images of the other process arrive here."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    seen: Counter[str] = Counter()
    qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Image, "large", lambda message: seen.update([message.encoding]), qos)
    script = Path(__file__).with_name("large_camera.py")
    camera = subprocess.Popen(
        [sys.executable, script, room, str(FRAMES)], env=os.environ | {"ROS_DOMAIN_ID": str(domain)}
    )
    while not seen["end"] and camera.poll() is None:
        executor.spin_once(timeout_sec=0.1)
    assert camera.wait() == 0
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)
    return seen["rgb8"]


@pytest.mark.parametrize("discovery_range", ["SUBNET", "LOCALHOST"])
def test_large_images_arrive_if_the_sender_has_room_for_them(domain, monkeypatch, discovery_range):
    for variable in (VARIABLE, OTHER_VARIABLE, "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", discovery_range)
    assert arrived(domain, "room") >= FRAMES - 1  # of 40 all arrived when this was measured, of 40 without room 3


def test_large_images_are_lost_without_it(domain, monkeypatch):
    """If this fails, Fast DDS has a larger segment by now, and large_images.xml may no longer be needed."""
    for variable in (VARIABLE, OTHER_VARIABLE, "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(variable, raising=False)
    assert arrived(domain, "none") <= FRAMES // 2


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
def test_the_profile_fits_to_the_environment_and_a_chosen_one_stays(environment, name):
    profile = profile_for(environment)
    assert (profile and profile.name) == name
    assert profile is None or profile.is_file()


def test_the_profiles_have_the_segment_that_is_reckoned_with():
    by_buffer = xml.etree.ElementTree.parse(profile_for({})).getroot().find(".//{*}sendSocketBufferSize")
    local = profile_for({"ROS_LOCALHOST_ONLY": "1"})
    by_size = xml.etree.ElementTree.parse(local).getroot().find(".//{*}segment_size")
    assert 2 * int(by_buffer.text) == int(by_size.text) == SEGMENT_BYTES
