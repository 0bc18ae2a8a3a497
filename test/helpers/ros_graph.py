"""The test's side of a ROS graph, and the node as a process on the other side.

Both use Fast DDS's default transports: closing those of LARGE_DATA may wait for ever in Fast DDS 3.2.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Read by Fast DDS in this process and in those that are started from it; it has to be the same in all of them.
os.environ.pop("FASTDDS_BUILTIN_TRANSPORTS", None)

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from patience import LIMIT_S
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
KILLABLE = {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
"""For a process that a test kills: killed within a write to shared memory, it would leave the memory's lock behind, for
which Fast DDS in the other processes waits for ever."""
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Process:
    """A child process in a ROS domain, its output in a file."""

    def __init__(self, domain: int, log: Path, *command: str, variables: Mapping[str, str]) -> None:
        """variables: of the environment, besides those of this process."""
        self.log = log
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "PYTHONUNBUFFERED": "1"} | variables
        with open(log, "a") as stream:
            self._child = subprocess.Popen(
                command, stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def num_threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def num_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def alive(self) -> bool:
        return self._child.poll() is None

    def output(self) -> str:
        return self.log.read_text()

    def pause(self) -> None:
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._child.send_signal(signal.SIGCONT)

    def send(self, how: signal.Signals) -> None:
        self._child.send_signal(how)

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Sends the signal to the process and its children, as a terminal does, and returns its exit code."""
        if self.alive():
            os.killpg(self._child.pid, how)
        try:
            return self._child.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            pytest.fail(f"the process did not end within {LIMIT_S:g} s of {how.name}:\n{self.output()}")


def stamp_of(message: Any) -> tuple[int, int]:
    """The stamp of the frame that a message belongs to, in seconds and nanoseconds."""
    stamp = (message if hasattr(message, "header") else message.markers[0]).header.stamp
    return stamp.sec, stamp.nanosec


class Camera:
    """Publishes small random pictures with their calibration, stamped with the present time."""

    def __init__(self, node: Node, topic: str, qos: QoSProfile, sent: set[tuple[int, int]]) -> None:
        """sent: Gets the stamp of every picture."""
        self._node, self._sent = node, sent
        self._images = node.create_publisher(Image, topic, qos)
        self._infos = node.create_publisher(CameraInfo, "/".join([*topic.split("/")[:-1], "camera_info"]), RELIABLE)
        self._random = np.random.default_rng(0)

    def picture(self, size: tuple[int, int] = (48, 80), **changes: Any) -> Image:
        """A good rgb8 image of (height, width) with the given fields replaced."""
        height, width = size
        message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
        message.header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id="front_camera")
        message.data = self._random.integers(0, 256, 3 * height * width, np.uint8).tobytes()
        for field, value in changes.items():
            setattr(message, field, value)
        return message

    def send(self, **changes: Any) -> Image:
        message = self.picture(**changes)
        self._infos.publish(CameraInfo(header=Header(frame_id="calibration"), width=message.width))
        self.publish(message)
        return message

    def publish(self, message: Image) -> None:
        self._sent.add(stamp_of(message))
        self._images.publish(message)

    def close(self) -> None:
        self._node.destroy_publisher(self._images)
        self._node.destroy_publisher(self._infos)


def values_of(status: DiagnosticStatus) -> dict[str, str]:
    return {item.key: item.value for item in status.values}


class Graph:
    """A node of the test's own in `domain`. Nothing here takes place unless `spin` or `wait_for` runs."""

    latched = LATCHED

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("test", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._diagnostics = self.collect(DiagnosticArray, "/diagnostics")
        self.sent: set[tuple[int, int]] = set()
        """Stamps of the frames that cameras of this graph have sent."""

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    @contextlib.contextmanager
    def camera(self, topic: str = "image_raw", qos: QoSProfile = RELIABLE) -> Iterator[Camera]:
        camera = Camera(self.node, topic, qos, self.sent)
        try:
            yield camera
        finally:
            camera.close()

    def collect(self, kind: type, topic: str, qos: QoSProfile = RELIABLE) -> list:
        """A list that grows by the messages of a topic."""
        messages: list = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        return messages

    @contextlib.contextmanager
    def listening(self, topics: dict[str, type], qos: QoSProfile = RELIABLE) -> Iterator[dict[str, list]]:
        """Subscribes to topics of the node for the time of a `with` block: topic → messages.

        Those of frames that a camera has sent before are left out: a test before this one may have sent them.
        """
        messages: dict[str, list] = {topic: [] for topic in topics}
        earlier = frozenset(self.sent)

        def append_to(of_topic: list) -> Callable[[Any], None]:
            return lambda message: None if stamp_of(message) in earlier else of_topic.append(message)

        subscriptions = [
            self.node.create_subscription(kind, f"/bisenetformer/{topic}", append_to(messages[topic]), qos)
            for topic, kind in topics.items()
        ]
        try:
            yield messages
        finally:
            for subscription in subscriptions:
                self.node.destroy_subscription(subscription)

    def wait_for(self, condition: Callable[[], Any], what: str, every: Callable[[], Any] | None = None) -> Any:
        """Spins until `condition` gives something true, which is returned; calls `every` five times a second."""
        deadline, due = time.monotonic() + LIMIT_S, 0.0
        while not (value := condition()):
            now = time.monotonic()
            if now > deadline:
                pytest.fail(f"not within {LIMIT_S:g} s: {what}")
            if every and now >= due:
                every()
                due = now + 0.2
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def wait_for_result(self, messages: list, send: Callable[[], Any]) -> Any:
        """Sends frames until the message of one of them arrives, which is returned."""
        earlier = frozenset(self.sent)

        def results() -> list:
            return [message for message in messages if stamp_of(message) not in earlier]

        return self.wait_for(results, "the result of a frame that is sent from now on", send)[0]

    def call(self, kind: type, name: str, owner: str = "/bisenetformer", **fields: Any) -> Any:
        """The response of a service of the node."""
        client = self.node.create_client(kind, f"{owner}/{name}")
        self.wait_for(client.service_is_ready, f"service {name}")
        future = client.call_async(kind.Request(**fields))
        self.wait_for(future.done, f"response of {name}")
        self.node.destroy_client(client)
        return future.result()

    def set_parameter(self, name: str, value: Any) -> tuple[bool, str]:
        """Whether the node took the value, and the reason if not."""
        parameter = Parameter(name, value=value).to_parameter_msg()
        result = self.call(SetParameters, "set_parameters", parameters=[parameter]).results[0]
        return result.successful, result.reason

    def get_parameter(self, owner: str, name: str) -> Any:
        (value,) = self.call(GetParameters, "get_parameters", owner, names=[name]).values
        return parameter_value_to_python(value)

    def change_state(self, transition: str) -> bool:
        ids = {
            "configure": Transition.TRANSITION_CONFIGURE,
            "activate": Transition.TRANSITION_ACTIVATE,
            "deactivate": Transition.TRANSITION_DEACTIVATE,
            "cleanup": Transition.TRANSITION_CLEANUP,
        }
        return self.call(ChangeState, "change_state", transition=Transition(id=ids[transition])).success

    def state(self) -> str:
        return self.call(GetState, "get_state").current_state.label

    def status(self, name: str) -> DiagnosticStatus | None:
        """The newest status of the node whose name ends so: `model`, or the image topic."""
        found = [s for array in self._diagnostics for s in array.status if s.name == f"bisenetformer: {name}"]
        return found[-1] if found else None

    def values(self, name: str) -> dict[str, str]:
        status = self.status(name)
        return values_of(status) if status else {}

    def wait_for_status(self, name: str, level: bytes, *words: str, every: Callable[[], Any] | None = None) -> str:
        """Waits for a status that is sent from now on, of the level and with all the words; returns its message."""

        def found() -> str | None:
            status = self.status(name)
            fits = status is not None and status.level == level and all(word in status.message for word in words)
            return status.message if fits else None

        self.forget_diagnostics()
        self.wait_for(lambda: found() is not None, f"{name} at level {level.hex()} with {words}", every)
        return found()

    def is_heard_reliably(self, topic: str) -> bool:
        infos = self.node.get_subscriptions_info_by_topic(topic)
        return [info.qos_profile.reliability for info in infos] == [ReliabilityPolicy.RELIABLE]

    def forget_diagnostics(self) -> None:
        self._diagnostics.clear()

    def settle(self) -> None:
        """Returns when every frame that the node has received is accounted for in the newest diagnostics."""

        def accounted() -> bool:
            statuses = self._diagnostics[-1].status if self._diagnostics else []
            totals = [
                [int(values_of(status).get(f"total_{what}_frames", 0)) for what in ("received", "segmented", "dropped")]
                for status in statuses
            ]
            return bool(totals) and all(received == segmented + dropped for received, segmented, dropped in totals)

        for _ in range(2):  # the first one may have been on its way already
            self.forget_diagnostics()
            self.wait_for(accounted, "every frame is accounted for")

    def wait_until_active(self, process: Process) -> None:
        """Asks the node itself, since diagnostics of one that has ended may still arrive."""
        client = self.node.create_client(GetState, "/bisenetformer/get_state")
        answers: list = []

        def ask() -> None:
            if client.service_is_ready():
                answers.append(client.call_async(GetState.Request()))

        def is_active() -> bool:
            return any(answer.done() and answer.result().current_state.label == "active" for answer in answers)

        self.wait_for(lambda: is_active() or not process.alive(), "the node is active", ask)
        assert process.alive(), process.output()
        self.node.destroy_client(client)
        self.forget_diagnostics()
        self.wait_for(lambda: self.values("model").get("state") == "active", "its diagnostics")
