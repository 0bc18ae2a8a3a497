"""Diagnoses of a node in a real graph, for every problem that real publishers can cause."""

import contextlib
import json
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import rclpy
from builtin_interfaces.msg import Time
from patience import until
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.ros.health.doctor import Diagnosis, examine
from bisenetformer_ros.ros.health.findings import ERROR, OK, WARN
from bisenetformer_ros.ros.health.middleware import TRANSPORT_VARIABLE
from bisenetformer_ros.ros.health.observer import NodeObserver
from bisenetformer_ros.ros.shared_memory import VARIABLE

CAMERA = Path(__file__).parents[1] / "camera.py"
NODE = "/bisenetformer"
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope="module")
def process(graph, start_node, weights):
    process = start_node({"model": str(weights), "task": "semantic", "engine": "torch", "precision": "fp32"})
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
def says(graph, observer) -> Iterator[Callable[..., str]]:
    """Examine the node until a diagnosis of the level has all the words in it; return its text.

    Somebody else subscribes too, so that the node is not idle in between.
    """

    def says(level: int, subject: str, *words: str) -> str:
        diagnoses: list[Diagnosis] = []

        def said() -> list[str]:
            return [
                diagnosis.text
                for diagnosis in diagnoses
                if (diagnosis.level, diagnosis.subject) == (level, subject) and all(w in diagnosis.text for w in words)
            ]

        def says_so() -> bool:
            diagnoses[:] = examine(observer, NODE, seconds=0.6)
            return bool(said())

        until(says_so, lambda: f"nothing with {words} of {subject}, but {diagnoses}")
        return said()[0]

    with graph.listening({"mask": Image}):
        yield says


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


def test_a_healthy_node(graph, says):
    with graph.camera() as camera, steadily(lambda _: camera.send(), period_s=0.5):
        assert says(OK, "outputs", "frames segmented").endswith(" s")
        says(OK, "/image_raw", "segmenting")


def test_an_idle_node(graph, process, prints, tmp_path):
    """The node gets the time to subscribe and to find out, however short the observation."""
    report = tmp_path / "report.json"
    arguments = ["--seconds", "0", "--json", str(report)]
    with graph.camera():
        prints(1, "ERROR /image_raw: no images: /test publishes", "but nothing arrives", arguments=arguments)
    with graph.camera() as camera, steadily(lambda _: camera.send(), period_s=0.1):
        prints(0, f"{NODE} OK ", " for the doctor; otherwise idle: no subscribers", arguments=arguments)
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
    says(
        ERROR,
        "/image_raw",
        "/test publishes sensor_msgs/msg/CompressedImage",
        "-p image_transport:=compressed -r /image_raw/",
    )
    graph.node.destroy_publisher(publisher)


def test_a_camera_with_the_other_transport(graph, says, prints):
    publisher = graph.node.create_publisher(CompressedImage, "/image_raw/compressed", 1)
    says(ERROR, "/image_raw", "/image_raw/compressed (compressed)", "`--ros-args -p image_transport:=compressed`")
    prints(1)
    graph.node.destroy_publisher(publisher)


def test_a_reliability_that_excludes_the_camera_and_the_command_that_releases_it(graph, says, prints):
    assert graph.set_parameter("reliability", "reliable") == (True, "")
    with graph.camera(qos=BEST_EFFORT) as camera, steadily(lambda _: camera.send()):
        command = f"run `ros2 param set {NODE} reliability auto`"
        says(ERROR, "/image_raw", "/test offers an incompatible QoS", command)
        prints(1)
        assert graph.set_parameter("reliability", "auto") == (True, "")
        says(OK, "/image_raw", "segmenting")


def test_a_reliability_that_loses_images(graph, says):
    assert graph.set_parameter("reliability", "best_effort") == (True, "")
    with graph.camera() as camera, steadily(send_two_of_three(graph, camera)):
        command = (
            f"the publisher is reliable but this subscription is not: run `ros2 param set {NODE} reliability auto`"
        )
        says(WARN, "/image_raw", "were lost in transport (gaps in their stamps)", command)
    assert graph.set_parameter("reliability", "auto") == (True, "")


def test_unknown_encoding(graph, says, prints):
    with graph.camera() as camera, steadily(lambda _: camera.send(encoding="32FC3")):
        says(ERROR, "/image_raw", "encoding '32FC3' is not supported; expected one of rgb8,")
        prints(1)


def stamped(nanoseconds: int) -> Header:
    return Header(stamp=Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9), frame_id="camera")


def send_two_of_three(graph, camera, **changes) -> Callable[[int], None]:
    """Send images of a camera of 10 Hz by its stamps, of which every third is lost."""
    begin = graph.node.get_clock().now().nanoseconds

    def send(number: int) -> None:
        if number % 3:
            camera.send(header=stamped(begin + number * 100_000_000), **changes)

    return send


def test_frames_lost_in_transport(graph, says, prints):
    with graph.camera() as camera, steadily(send_two_of_three(graph, camera)):
        says(WARN, "/image_raw", "were lost in transport (gaps in their stamps)", "the camera publishes at 10.0 Hz")
        prints(1)


def test_best_effort_images_that_exceed_the_shared_memory(graph, says, prints):
    """The images come from this process, with the default of Fast DDS.

    Neither whether the node keeps up matters, nor whether enough images arrive to find the camera's rate.
    """
    large = {"size": (480, 640)}
    with graph.camera(qos=BEST_EFFORT) as camera, steadily(send_two_of_three(graph, camera, **large)):
        room = "its shared memory segment of 0.5 MB has no room for two images of 0.9 MB"
        says(WARN, "/image_raw", "lost in transport", room)
        prints(1)


def test_a_camera_process_without_room_in_shared_memory(start, observer):
    """Whether none of its images arrives or a few do."""
    camera = start(str(CAMERA), "30", "best_effort", "large", **{VARIABLE: "", TRANSPORT_VARIABLE: ""})
    words = ("shared memory segment of 0.5 MB", f": restart it as `{VARIABLE}=", f"{CAMERA} 30 best_effort large`")
    texts: list[str] = []

    def said() -> bool:
        texts[:] = [d.text for d in examine(observer, NODE, seconds=0.6) if d.level >= WARN]
        return any(all(word in text for word in words) for text in texts)

    until(said, lambda: f"nothing with {words}, but {texts}")
    assert camera.stop() == 0


def test_two_publishers(graph, says):
    """Cameras of 10 Hz, a third of a period apart. The same stamps of one camera would be of 30 Hz, with losses."""
    twin = rclpy.create_node("twin", context=graph.context)
    begin = graph.node.get_clock().now().nanoseconds

    def send(number: int) -> None:
        one.send(header=stamped(begin + number * 100_000_000))
        other(one.picture(header=stamped(begin + number * 100_000_000 + 33_000_000)))

    with graph.camera() as one:
        other = one.publish
        with steadily(send):
            says(WARN, "/image_raw", "were lost in transport (gaps in their stamps)")
        images = twin.create_publisher(Image, "/image_raw", 10)
        other = images.publish
        with steadily(lambda number: send(100_000 + number)):
            mixed = "2 publishers on /image_raw (/test, /twin), so their images are mixed"
            text = says(WARN, "/image_raw", mixed, "the parameter `cameras`")
            assert text.startswith(mixed)
            assert "were lost" not in text
    twin.destroy_publisher(images)
    twin.destroy_node()


def test_stamps_in_the_past(graph, says):
    def send_the_past(_: int) -> None:
        camera.send(header=stamped(graph.node.get_clock().now().nanoseconds - 3600 * 10**9))

    with graph.camera() as camera, steadily(send_the_past):
        advice = f"play it with `ros2 bag play BAG --clock` and run `ros2 param set {NODE} use_sim_time true`"
        says(WARN, "/image_raw", "the stamps are 36", "s behind this node's clock", advice)


def test_clock_without_use_sim_time_and_the_reverse(graph, says, prints):
    with graph.camera() as camera, steadily(lambda _: camera.send()):
        clock = graph.node.create_publisher(ClockMessage, "/clock", 1)
        says(WARN, "time", "/test publishes /clock", f"ros2 param set {NODE} use_sim_time true")
        prints(1)
        assert graph.set_parameter("use_sim_time", True) == (True, "")
        with steadily(lambda number: clock.publish(ClockMessage(clock=Time(sec=100, nanosec=number)))):
            live = "the node uses /clock of /test, the camera another clock; for a live camera run"
            says(WARN, "/image_raw", "s ahead of this node's clock", live, f"ros2 param set {NODE} use_sim_time false")
        graph.node.destroy_publisher(clock)
        nobody = "use_sim_time is set, but nobody publishes /clock, so time stands still"
        remedies = "`ros2 bag play BAG --clock`", f"`ros2 param set {NODE} use_sim_time false`"
        says(ERROR, "time", nobody, *remedies)
        text = says(WARN, "/image_raw", nobody, *remedies)
        assert "use_sim_time true" not in text
        assert "the stamps are" not in text
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
