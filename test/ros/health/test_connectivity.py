"""Explanations of missing images, by real publishers; the advice is taken and has to help."""

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rclpy
from patience import until
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.ros.health.connectivity import explain_lost_images, explain_no_images, loses_images
from bisenetformer_ros.ros.health.middleware import TRANSPORT_VARIABLE
from bisenetformer_ros.ros.health.peers import is_local, segment_of
from bisenetformer_ros.ros.node.input import ImageInput
from bisenetformer_ros.ros.shared_memory import SEGMENT_BYTES, VARIABLE, profile_for

CAMERA = Path(__file__).parents[1] / "camera.py"
SMALL, LARGE = 48 * 80 * 3, 1024 * 2048 * 3
"""Bytes of images that fit into Fast DDS's default segment twice, and not once."""


class Listener:
    """A node with the input of a camera, and the images that arrive."""

    def __init__(self, domain: int, *arguments: str, reliability: str = "auto") -> None:
        """arguments: after `--ros-args`."""
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node(
            "listener",
            context=self._context,
            cli_args=["--ros-args", *arguments],
            automatically_declare_parameters_from_overrides=True,
        )
        self.arrived: list = []
        self.is_wanted = True
        self.input = ImageInput(
            self.node,
            "image_raw",
            self.node.get_parameter_or("image_transport").value or "raw",
            self.arrived.append,
            wanted_reliability=lambda: reliability,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def spin(self) -> None:
        self.input.update(self.is_wanted)
        self._executor.spin_once(timeout_sec=0.1)

    def why_none(self) -> str:
        self.spin()
        return explain_no_images(self.node, self.input.state())

    def why_lost(self, image_bytes: int) -> str:
        self.spin()
        return explain_lost_images(self.node, self.input.state(), image_bytes)

    def close(self) -> None:
        self.input.close()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.fixture
def listen(domain, monkeypatch) -> Iterator[Callable[..., Listener]]:
    monkeypatch.delenv(TRANSPORT_VARIABLE, raising=False)
    listeners: list[Listener] = []

    def listen(*arguments: str, reliability: str = "auto") -> Listener:
        listeners.append(Listener(domain, *arguments, reliability=reliability))
        return listeners[-1]

    yield listen
    for listener in listeners:
        listener.close()


def wait_for(explain: Callable[[], str], *words: str) -> str:
    """Ask again until the explanation has all the words; return it."""
    text = ""

    def explained() -> bool:
        nonlocal text
        text = explain()
        return all(word in text for word in words)

    until(explained, lambda: f"expected {words}, got {text}")
    return text


@pytest.mark.parametrize(
    ("transport", "kind", "topic", "advice"),
    [
        ("compressed", Image, "/image_raw", "-p image_transport:=raw"),
        ("raw", CompressedImage, "/image_raw/compressed", "-p image_transport:=compressed"),
        ("compressed", Image, "/front/image", "-p image_transport:=raw -r image_raw:=/front/image"),
        ("raw", Image, "/front/image", "-r image_raw:=/front/image"),
        ("raw", CompressedImage, "/image_raw", "-p image_transport:=compressed -r /image_raw/compressed:=/image_raw"),
    ],
)
def test_images_on_another_topic_or_by_another_transport(graph, listen, transport, kind, topic, advice):
    camera = graph.node.create_publisher(kind, topic, 1)
    listener = listen("-p", f"image_transport:={transport}")
    text = wait_for(listener.why_none, f"start the node with `--ros-args {advice}`")
    assert topic in text
    (arguments,) = re.findall("`--ros-args (.*?)`", text)
    advised = listen(*shlex.split(arguments))

    def received() -> bool:
        camera.publish(kind())
        advised.spin()
        return bool(advised.arrived)

    until(received, lambda: f"no images with {arguments}")
    graph.node.destroy_publisher(camera)


def test_a_closed_subscription_misses_a_publisher_but_no_images(graph, listen):
    listener = listen()
    wait_for(listener.why_none, "no publisher on /image_raw")
    listener.is_wanted = False
    assert listener.why_none().startswith("no publisher on /image_raw")
    assert not listener.input.state().is_open
    with graph.camera():
        until(lambda: listener.why_none() == "", listener.why_none)
        listener.is_wanted = True
        wait_for(listener.why_none, "/test publishes on /image_raw, but nothing arrives")


def test_the_same_camera_by_another_transport_is_preferred_to_another_camera(graph, listen):
    cameras = [graph.node.create_publisher(Image, topic, 1) for topic in ("/image_raw", "/rear/image_raw")]
    cameras.append(graph.node.create_publisher(CompressedImage, "/rear/image_raw/compressed", 1))
    listener = listen("-p", "image_transport:=compressed")
    images = "/image_raw (raw), /rear/image_raw/compressed (compressed), /rear/image_raw (raw)"
    wait_for(listener.why_none, images, "`--ros-args -p image_transport:=raw`")
    for camera in cameras:
        graph.node.destroy_publisher(camera)


def test_best_effort_images_without_room_in_shared_memory(start, listen, monkeypatch):
    camera = start(str(CAMERA), "5", "best_effort", **{VARIABLE: "", TRANSPORT_VARIABLE: ""})
    listener = listen()
    room = "the publisher is best effort, and its shared memory segment of 0.5 MB has no room for two images of 6.3 MB"
    wait_for(lambda: listener.why_lost(LARGE), room)
    assert listener.why_lost(SMALL) == ""
    assert loses_images(listener.input.state(), LARGE)
    assert not loses_images(listener.input.state(), SMALL)
    assert "images larger than its shared memory segment of 0.5 MB are lost" in listener.why_none()
    monkeypatch.setenv(TRANSPORT_VARIABLE, "LARGE_DATA")
    assert listener.why_lost(LARGE) == ""
    monkeypatch.delenv(TRANSPORT_VARIABLE)
    assert camera.stop() == 0


@pytest.mark.parametrize("arguments", [("best_effort", "large"), ("large",)])
def test_the_command_for_a_camera_without_room_in_shared_memory(start, listen, arguments):
    camera = start(str(CAMERA), "30", *arguments, **{VARIABLE: "", TRANSPORT_VARIABLE: ""})
    listener = listen()
    (command,) = re.findall("`(.*)`", wait_for(lambda: listener.why_lost(LARGE), "no room", ": restart it as `"))
    assert camera.stop() == 0
    setting, program, *words = shlex.split(command)
    assert (program, words) == (sys.executable, [str(CAMERA), "30", *arguments])
    until(lambda: listener.spin() is None and not listener.input.state().publishers, lambda: "the camera is still seen")
    listener.arrived.clear()
    camera = start(*words, **{TRANSPORT_VARIABLE: "", **dict([setting.split("=", 1)])})
    until(lambda: listener.spin() is None and len(listener.arrived) >= 10, lambda: f"no images with {command}")
    assert not loses_images(listener.input.state(), LARGE)
    assert listener.why_lost(LARGE) == ""
    assert camera.stop() == 0


def test_best_effort_images_with_room_in_shared_memory(start, listen):
    camera = start(str(CAMERA), "5", "best_effort", **{VARIABLE: str(profile_for({})), TRANSPORT_VARIABLE: ""})
    listener = listen()

    def publisher() -> list:
        listener.spin()
        return list(listener.input.state().publishers)

    until(lambda: bool(publisher()), lambda: "no publisher")
    (info,) = publisher()
    assert is_local(listener.node, info)
    assert segment_of(info).size >= SEGMENT_BYTES
    assert listener.why_lost(LARGE) == ""
    assert not loses_images(listener.input.state(), LARGE)
    wait_for(listener.why_none, "the camera has stopped")
    assert camera.stop() == 0


def test_a_forced_reliability_is_named_and_releasing_it_advised(start, listen):
    camera = start(str(CAMERA), "5", **{VARIABLE: "", TRANSPORT_VARIABLE: ""})
    text = "the publisher is reliable but this subscription is not: "
    by_parameter = listen(reliability="best_effort")
    wait_for(lambda: by_parameter.why_lost(LARGE), text + "run `ros2 param set /listener reliability auto`")
    override = "qos_overrides./image_raw.subscription.reliability"
    by_override = listen("-p", f"{override}:=best_effort")
    wait_for(lambda: by_override.why_lost(LARGE), text + f"start this node without `{override}`")
    assert loses_images(by_override.input.state(), LARGE)
    released = listen()
    until(lambda: released.spin() is None and bool(released.arrived), lambda: "no images")
    assert released.why_lost(SMALL) == ""
    assert "the publisher is reliable, but its shared memory segment of 0.5 MB has no room" in released.why_lost(LARGE)
    assert not loses_images(released.input.state(), LARGE)
    assert camera.stop() == 0


def test_overrides_that_exclude_a_camera(graph, listen):
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    camera = graph.node.create_publisher(Image, "/image_raw", qos)
    prefix = "qos_overrides./image_raw.subscription"
    listener = listen("-p", f"{prefix}.reliability:=reliable", "-p", f"{prefix}.durability:=transient_local")
    wait_for(
        listener.why_none,
        "/test offers an incompatible QoS",
        f"start this node without `{prefix}.reliability`, and start this node without `{prefix}.durability`",
    )
    graph.node.destroy_publisher(camera)
