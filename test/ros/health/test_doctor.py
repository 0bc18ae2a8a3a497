"""Diagnoses of a node in a real graph, for every problem that real publishers can cause."""

import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
import rclpy
from builtin_interfaces.msg import Time
from patience import until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.ros.health.doctor import Diagnosis, examine
from bisenetformer_ros.ros.health.findings import ERROR, OK, WARN
from bisenetformer_ros.ros.health.observer import NodeObserver

NODE = "/bisenetformer"
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope="module")
def process(graph, start_node, weights):
    process = start_node({"model": str(weights), "task": "semantic", "engine": "torch"})
    graph.wait_until_active(process)
    return process


@pytest.fixture(scope="module")
def observer(domain, process) -> Iterator[NodeObserver]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    observer = NodeObserver(context)
    until(lambda: observer.find() == [NODE], lambda: "the node is not found")
    yield observer
    observer.close()
    rclpy.shutdown(context=context)


@pytest.fixture
def says(observer) -> Callable[..., None]:
    """Examine the node until a diagnosis of the level has all the words in it."""

    def says(level: int, subject: str, *words: str) -> None:
        diagnoses: list[Diagnosis] = []

        def said() -> bool:
            diagnoses[:] = examine(observer, NODE, seconds=0.6)
            return any(
                (diagnosis.level, diagnosis.subject) == (level, subject) and all(w in diagnosis.text for w in words)
                for diagnosis in diagnoses
            )

        until(said, lambda: f"nothing with {words} of {subject}, but {diagnoses}")

    return says


@pytest.fixture
def prints(domain, monkeypatch, capsys) -> Callable[..., None]:
    """Run the command until it exits with the code and its output has all the words in it."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))

    def prints(code: int, *words: str, arguments: Sequence[str] = ("--node", NODE)) -> None:
        outcome: list = []

        def done() -> bool:
            outcome[:] = main(["doctor", "--seconds", "1", *arguments]), " ".join(capsys.readouterr().out.split())
            return outcome[0] == code and all(word in outcome[1] for word in words)

        until(done, lambda: f"expected exit code {code} and {words}, got {outcome}")

    return prints


@contextlib.contextmanager
def steadily(send: Callable[[int], object], period_s: float = 0.1) -> Iterator[None]:
    """Call `send` with 0, 1, 2, … in a thread."""
    end = threading.Event()

    def run() -> None:
        number = 0
        while not end.wait(period_s):
            send(number)
            number += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_a_healthy_node(graph, says, prints, tmp_path):
    report = tmp_path / "report.json"
    with graph.camera() as camera, steadily(lambda _: camera.send(), period_s=0.5):
        says(OK, "outputs", "frames segmented")
        says(OK, "/image_raw", "segmenting")
        prints(0, f"{NODE} OK ", "idle: no subscribers", arguments=["--json", str(report)])
    written = json.loads(report.read_text())
    assert written["healthy"] is True
    assert {"model", "/image_raw", "outputs"} == {diagnosis["subject"] for diagnosis in written["nodes"][NODE]}


def test_images_on_other_topics(graph, says, prints, tmp_path):
    report = tmp_path / "report.json"
    with graph.camera("/front/image_color"), graph.camera("/rear/image_raw"):
        says(ERROR, "/image_raw", "no publisher on /image_raw", "/front/image_color", "-r image_raw:=/rear/image_raw")
        prints(1, "ERROR /image_raw: no images: no publisher", arguments=["--json", str(report)])
    assert json.loads(report.read_text())["healthy"] is False


def test_an_unknown_node(process, prints):
    absence = "no segmentation node /nowhere found; nodes in the graph: /bisenetformer"
    prints(1, absence, "ROS_DOMAIN_ID", arguments=["--node", "/nowhere"])


def test_a_publisher_of_another_type(graph, says):
    publisher = graph.node.create_publisher(CompressedImage, "/image_raw", 1)
    says(ERROR, "/image_raw", "/test publishes sensor_msgs/msg/CompressedImage", "image_transport to compressed")
    graph.node.destroy_publisher(publisher)


def test_incompatible_qos_and_the_override_that_fixes_it(graph, says, prints):
    assert graph.set_parameter("reliability", "reliable") == (True, "")
    with graph.camera(qos=BEST_EFFORT) as camera, steadily(lambda _: camera.send()):
        override = "--ros-args -p qos_overrides./image_raw.subscription.reliability:=best_effort"
        says(ERROR, "/image_raw", "/test offers an incompatible QoS", override)
        prints(1)
    assert graph.set_parameter("reliability", "auto") == (True, "")


def test_unknown_encoding(graph, says, prints):
    with graph.camera() as camera, steadily(lambda _: camera.send(encoding="32FC3")):
        says(ERROR, "/image_raw", "encoding '32FC3' is not supported; expected one of rgb8,")
        prints(1)


def test_frames_lost_in_transport(graph, says, prints):
    begin = graph.node.get_clock().now().nanoseconds

    def send_two_of_three(number: int) -> None:
        stamp = begin + number * 100_000_000
        if number % 3:
            header = Header(stamp=Time(sec=stamp // 10**9, nanosec=stamp % 10**9), frame_id="camera")
            camera.send(header=header)

    with graph.camera() as camera, steadily(send_two_of_three):
        says(WARN, "/image_raw", "were lost in transport (gaps in their stamps)")
        prints(1)


def test_two_publishers(graph, says):
    with graph.camera() as one, graph.camera() as other, steadily(lambda number: (one, other)[number % 2].send()):
        says(WARN, "/image_raw", "2 publishers on /image_raw", "the parameter `cameras`")


def test_stamps_in_the_past(graph, says):
    def send_the_past(_: int) -> None:
        now = graph.node.get_clock().now().nanoseconds - 3600 * 10**9
        camera.send(header=Header(stamp=Time(sec=now // 10**9, nanosec=now % 10**9), frame_id="camera"))

    with graph.camera() as camera, steadily(send_the_past):
        says(WARN, "/image_raw", "the stamps are 36", "s behind this node's clock", "use_sim_time")


def test_clock_without_use_sim_time_and_the_reverse(graph, says, prints):
    with graph.camera() as camera, steadily(lambda _: camera.send()):
        clock = graph.node.create_publisher(Clock, "/clock", 1)
        says(WARN, "time", "/test publishes /clock", "ros2 param set /bisenetformer use_sim_time true")
        prints(1)
        graph.node.destroy_publisher(clock)
        assert graph.set_parameter("use_sim_time", True) == (True, "")
        says(ERROR, "time", "use_sim_time is set, but /clock has no publisher", "use_sim_time false")
        prints(1)
        assert graph.set_parameter("use_sim_time", False) == (True, "")
        says(OK, "outputs", "frames segmented")


def test_a_subscriber_with_incompatible_qos(graph, says):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = graph.node.create_subscription(Image, "/bisenetformer/mask", lambda _: None, latched)
    says(
        ERROR, "/bisenetformer/mask", "/test receives nothing", "(volatile publisher and transient local subscription)"
    )
    graph.node.destroy_subscription(subscription)


def test_disabled(graph, says):
    assert graph.set_parameter("enable", False) == (True, "")
    says(ERROR, "node", "disabled", "ros2 param set /bisenetformer enable true")
    assert graph.set_parameter("enable", True) == (True, "")


def test_two_nodes_with_one_name(graph, says):
    twin = rclpy.create_node("bisenetformer", context=graph.context)
    says(ERROR, "node", "2 nodes are named /bisenetformer", "-r __node:=")
    twin.destroy_node()


def test_inactive_and_unconfigured(graph, says):
    assert graph.change_state("deactivate")
    says(ERROR, "node", "the node is inactive", "run `ros2 lifecycle set /bisenetformer activate`")
    assert graph.change_state("cleanup")
    says(ERROR, "node", "the node is unconfigured", "set /bisenetformer configure` and `ros2 lifecycle set")
    assert graph.set_parameter("model", "/nowhere/model.safetensors") == (True, "")
    assert not graph.change_state("configure")
    says(ERROR, "model", "could not configure: model '/nowhere/model.safetensors' is neither a file")


def test_a_node_that_hangs(process, says):
    """The last test: the process does not always recover in time for another."""
    process.pause()
    says(ERROR, "node", "in the graph, but its services do not respond")
    process.resume()
    assert process.stop(signal.SIGINT) == 0
