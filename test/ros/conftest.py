"""Fixtures of a ROS graph. Every module gets a domain of its own; without a sourced ROS 2, all modules here skip."""

import contextlib
import fcntl
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metadata import ModelMetadata
from bisenetformer_ros.model import build_model
from bisenetformer_ros.model.checkpoint import save_model

if HAVE_ROS := find_spec("bisenetformer_ros.msg") is not None:
    from ros_graph import Graph, Process


PARTICIPANTS = 20
"""More than a test starts."""


class NeedsRos(pytest.Module):
    def collect(self) -> list:
        pytest.skip("ROS 2 is not sourced: source tools/env.sh", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return None if HAVE_ROS else NeedsRos.from_parent(parent, path=module_path)


def is_free(domain: int) -> bool:
    """Whether no process of this machine is in the domain: every participant binds the first free one of its UDP ports.

    Not only the first port counts, as a process that its test left behind may hold another one.
    """
    for port in range(7410, 7410 + 2 * PARTICIPANTS, 2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", port + 250 * domain))
            except OSError:
                return False
    return True


@pytest.fixture(scope="module")
def domain() -> Iterator[int]:
    """A ROS domain id that no other run of these tests holds, and nobody else on this machine uses."""
    for candidate in range(1, 100):  # Fast DDS' ports of 101 and above lie where Linux hands out ports itself
        path = Path(tempfile.gettempdir()) / f"bisenetformer_test_domain_{candidate}.lock"
        with open(path, "w") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_free(candidate):
                yield candidate
                return
    pytest.fail("all ROS domains from 1 to 99 are in use")


@pytest.fixture(scope="module")
def graph(domain: int) -> Iterator["Graph"]:
    graph = Graph(domain)
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def start(domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., "Process"]]:
    """Start `python ARGUMENTS…` in the module's domain, with VARIABLE=… in its environment.

    A process that is still running at the end is interrupted, and must exit cleanly.
    """
    processes: list[Process] = []

    def start(*arguments: str, **variables: str) -> Process:
        log = tmp_path_factory.mktemp("process") / "output.txt"
        processes.append(Process(domain, log, sys.executable, *arguments, variables=variables))
        return processes[-1]

    yield start
    for process in processes:
        if process.alive():
            assert process.stop() == 0, process.output()
            assert "Traceback" not in process.output()


@pytest.fixture(scope="module")
def start_node(start: Callable[..., "Process"]) -> Callable[..., "Process"]:
    """Start the node with parameters, name → value as on a command line, and diagnostics five times a second."""

    def start_node(parameters: dict[str, str], **variables: str) -> "Process":
        settings = [f"{name}:={value}" for name, value in {"diagnostic_updater.period": "0.2", **parameters}.items()]
        arguments = [argument for setting in settings for argument in ("-p", setting)]
        return start("-m", "bisenetformer_ros.ros.node.segmentation_node", "--ros-args", *arguments, **variables)

    return start_node


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano network with random weights: it finds segments, if meaningless ones."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random-nano.safetensors"
    metadata = ModelMetadata(
        "random-nano", {"name": "bisenetformer-nano", "num_classes": 11}, LabelMap.load("camvid11")
    )
    save_model(path, build_model("bisenetformer-nano", num_classes=11), metadata)
    return path
