"""Processes of two users on one machine, whose shared memory Fast DDS keeps from each other."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from patience import until
from ros_graph import Process
from sensor_msgs.msg import Image

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.ros.health.connectivity import explain_users
from bisenetformer_ros.ros.health.peers import segment_of, user_name, users_of_domain

CAMERA, LISTENER = (Path(__file__).parents[1] / name for name in ("camera.py", "listener.py"))
NOBODY = 65534
# The capability to read what belongs to root: Python may lie in root's home. It does not open shared memory.
AS_NOBODY = [
    "setpriv",
    *(f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]
CLOSED = "Fast DDS keeps shared memory from other users: run both as the same user, or start "
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv to run a node as another user"
)


@pytest.fixture(scope="module")
def camera(start) -> Process:
    return start(str(CAMERA), "5")


@pytest.fixture(scope="module")
def start_as_nobody(domain, tmp_path_factory) -> Iterator[Callable[..., Process]]:
    """Start `python ARGUMENTS…` as another user, with VARIABLE=… in its environment."""
    logs = tmp_path_factory.mktemp("logs")
    logs.chmod(0o777)
    processes: list[Process] = []

    def start_as_nobody(*arguments: str, **variables: str) -> Process:
        variables = {"ROS_LOG_DIR": str(logs), "HOME": str(logs), **variables}
        log = tmp_path_factory.mktemp("process") / "output.txt"
        processes.append(Process(domain, log, *AS_NOBODY, sys.executable, *arguments, variables=variables))
        return processes[-1]

    yield start_as_nobody
    for process in processes:
        assert process.stop() == 0, process.output()


@pytest.fixture(scope="module")
def node(weights) -> list[str]:
    """Arguments of Python that start the node."""
    parameters = {"model": weights, "task": "semantic", "engine": "torch", "precision": "fp32"}
    parameters["diagnostic_updater.period"] = "0.2"
    settings = [argument for name, value in parameters.items() for argument in ("-p", f"{name}:={value}")]
    return ["-m", "bisenetformer_ros.ros.node.segmentation_node", "--ros-args", *settings]


@pytest.fixture
def doctor(domain, monkeypatch, capsys) -> Callable[[str], None]:
    """Run the command until it finds a problem and says all the words."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))

    def doctor(*words: str) -> None:
        said = ""

        def says() -> bool:
            nonlocal said
            code, said = main(["doctor", "--seconds", "1"]), " ".join(capsys.readouterr().out.split())
            return code == 1 and all(word in said for word in words)

        until(says, lambda: f"expected {words}, got {said}")

    return doctor


@needs_root
def test_a_node_of_another_user_than_the_camera(graph, camera, start_as_nobody, node, doctor, monkeypatch, domain):
    """Fast DDS 3 falls back to UDP where a process may not open another's memory; only root's messages are lost."""
    process = start_as_nobody(*node)
    cause = f"it is run by root (uid 0) but this node by nobody (uid {NOBODY}), and {CLOSED}this node with"
    with graph.listening({"mask": Image}):
        graph.wait_for(lambda: cause in process.output() or not process.alive(), "the cause in the log")
    assert f"{cause} FASTDDS_BUILTIN_TRANSPORTS=UDPv4" in process.output()
    assert users_of_domain(domain) == {0, NOBODY}
    doctor(f"it is run by nobody (uid {NOBODY}) but the doctor by root (uid 0), and {CLOSED}the doctor with")
    monkeypatch.setenv("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")  # the advice
    doctor(cause)
    assert process.stop() == 0


@needs_root
def test_the_advice_lets_images_arrive(graph, camera, start_as_nobody, node):
    with graph.listening({"mask": Image}) as messages:
        process = start_as_nobody(*node, FASTDDS_BUILTIN_TRANSPORTS="UDPv4")
        graph.wait_for(lambda: messages["mask"], "a mask of the node of another user")
        graph.wait_for_status("/image_raw", DiagnosticStatus.OK, "segmenting")
    assert process.stop() == 0


@needs_root
def test_a_subscriber_of_another_user_than_the_node(camera, start, start_as_nobody, node, doctor):
    process = start(*node)
    start_as_nobody(str(LISTENER), "/bisenetformer/mask")
    cause = f"it is run by nobody (uid {NOBODY}) but the node by root (uid 0), and {CLOSED}the node with"
    doctor("ERROR /bisenetformer/mask: ", f" receives nothing: {cause}")
    assert process.stop() == 0


def test_no_other_user(graph, camera, domain):
    graph.wait_for(lambda: graph.node.get_publishers_info_by_topic("/image_raw"), "the camera")
    (info,) = graph.node.get_publishers_info_by_topic("/image_raw")
    segment = segment_of(info)
    assert segment.uid == os.geteuid()
    assert segment.size >= 512 * 1024  # the default of Fast DDS, and its own bookkeeping
    assert os.geteuid() in users_of_domain(domain)
    assert users_of_domain((domain + 100) % 200) == set()


def test_a_process_that_is_gone_has_no_segment(graph, start):
    camera = start(str(CAMERA), "5")
    publishers = graph.node.get_publishers_info_by_topic
    graph.wait_for(lambda: [i for i in publishers("/image_raw") if _pid(i) == camera.pid & 0xFFFF], "the camera")
    (info,) = [info for info in publishers("/image_raw") if _pid(info) == camera.pid & 0xFFFF]
    assert segment_of(info) is not None
    assert camera.stop() == 0
    assert segment_of(info) is None


def _pid(info) -> int:
    return info.endpoint_gid[4] | info.endpoint_gid[5] << 8


def test_users_are_named(monkeypatch):
    assert user_name(0) == "root (uid 0)"
    assert user_name(4_000_000) == "uid 4000000"
    monkeypatch.delenv("ROS_LOCALHOST_ONLY", raising=False)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # ROS replaces the transports
    assert explain_users([0, 4_000_000], "this node", 0).endswith(
        "it is run by root (uid 0) or uid 4000000 but this node by root (uid 0), and Fast DDS keeps shared memory from "
        "other users: run both as the same user"
    )
