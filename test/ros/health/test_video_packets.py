"""Cameras that send packets of ffmpeg_image_transport, whose message is built here."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from ros_graph import Process

PACKAGE = "ffmpeg_image_transport_msgs"
SOURCES = {
    "msg/FFMPEGPacket.msg": "std_msgs/Header header\nstring encoding\nuint8[] data\n",
    "CMakeLists.txt": f"""
        cmake_minimum_required(VERSION 3.20)
        project({PACKAGE})
        find_package(rosidl_default_generators REQUIRED)
        find_package(std_msgs REQUIRED)
        rosidl_generate_interfaces(${{PROJECT_NAME}} msg/FFMPEGPacket.msg DEPENDENCIES std_msgs)
        ament_package()
    """,
    "package.xml": f"""<package format="3">
        <name>{PACKAGE}</name>
        <version>1.0.0</version>
        <description>the field definitions that this test needs</description>
        <maintainer email="nobody@example.org">nobody</maintainer>
        <license>Apache-2.0</license>
        <buildtool_depend>ament_cmake</buildtool_depend>
        <buildtool_depend>rosidl_default_generators</buildtool_depend>
        <depend>std_msgs</depend>
        <member_of_group>rosidl_interface_packages</member_of_group>
        <export><build_type>ament_cmake</build_type></export>
    </package>""",
}
CAMERA = f"""
import sys, rclpy
from {PACKAGE}.msg import FFMPEGPacket
from spinning import spin
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(FFMPEGPacket, sys.argv[1], 1)
spin(node)
"""


@pytest.fixture(scope="module")
def camera(start: Callable[..., Process], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Process]:
    """Start a camera that advertises packets on a topic."""
    if importlib.util.find_spec("colcon") is None:
        pytest.skip("colcon is missing, which builds the message")
    workspace = tmp_path_factory.mktemp("packets")
    for name, text in SOURCES.items():
        (workspace / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / "src" / name).write_text(text)
    environment = os.environ | {"CMAKE_PREFIX_PATH": os.environ["AMENT_PREFIX_PATH"]}
    options = ["-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={sys.executable}"]
    build = [sys.executable, "-m", "colcon", "build", "--paths", "src", "--cmake-args", *options]
    built = subprocess.run(build, cwd=workspace, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    prefix = workspace / "install" / PACKAGE
    (site,) = prefix.glob("lib/python3*/site-packages")
    spinning = Path(__file__).parents[1]
    added = {"AMENT_PREFIX_PATH": [prefix], "LD_LIBRARY_PATH": [prefix / "lib"], "PYTHONPATH": [site, spinning]}
    variables = {name: os.pathsep.join([*map(str, paths), os.environ.get(name, "")]) for name, paths in added.items()}
    return lambda topic: start("-c", CAMERA, topic, **variables)


@pytest.fixture(scope="module")
def process(graph, start_node) -> Process:
    process = start_node({"task": "semantic"})
    graph.wait_until_active(process)
    return process


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("/image_raw/ffmpeg", "no publisher on /image_raw, but packets of a video on /image_raw/ffmpeg: run"),
        ("/image_raw", f"/camera publishes {PACKAGE}/msg/FFMPEGPacket, expected sensor_msgs/msg/Image, a packet of a"),
    ],
)
def test_packets_of_a_video_are_named_with_the_republisher(graph, process, camera, topic, words):
    sender = camera(topic)
    message = graph.wait_for_status("/image_raw", DiagnosticStatus.ERROR, words)
    assert "run image_transport's `republish` from ffmpeg to raw and subscribe to its output" in message
    assert sender.stop() == 0, sender.output()
