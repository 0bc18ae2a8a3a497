"""A node whose files in shared memory are deleted while it runs, as logind does when its user logs out.

Node and doctor have a /dev/shm of their own: a node without files deletes, when it ends, those that others of its name
have created since.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from patience import LIMIT_S, until
from ros_graph import Process

from bisenetformer_ros.ros.health.connectivity import explain_deleted_files
from bisenetformer_ros.ros.health.peers import lacks_files

CAUSE = (
    "files in /dev/shm of a running process of root (uid 0) have been deleted, so Fast DDS does not reach it; logind "
    "deletes them when the user logs out of the last session: run `sudo loginctl enable-linger 0`, or set RemoveIPC=no "
    "in logind.conf, and restart camera and node"
)
NODE = ("-m", "bisenetformer_ros.ros.node.segmentation_node", "--ros-args", "-p", "diagnostic_updater.period:=0.2")
SUBSCRIBED = "subscribed to /image_raw"


@pytest.fixture(scope="module")
def in_own_memory() -> Iterator[list[str]]:
    """The beginning of commands that share a /dev/shm of their own, and the user root."""
    mount = "mount -t tmpfs tmpfs /dev/shm && echo mounted && exec cat"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("this user may not mount a /dev/shm of its own, with `unshare --map-root-user --mount`")
        yield ["nsenter", f"--target={holder.pid}", "--user", "--preserve-credentials", "--mount"]
        holder.stdin.close()


@pytest.fixture
def start_node(domain, weights, in_own_memory, tmp_path) -> Iterator[Callable[[], Process]]:
    """Start the node, and wait until it is active."""
    processes: list[Process] = []

    def start_node() -> Process:
        parameters = "-p", f"model:={weights}", "-p", "task:=semantic", "-p", "engine:=torch"
        log = tmp_path / f"{len(processes)}.txt"
        processes.append(Process(domain, log, *in_own_memory, sys.executable, *NODE, *parameters, variables={}))
        says(processes[-1], SUBSCRIBED)
        return processes[-1]

    yield start_node
    for process in processes:
        process.stop()  # by SIGALRM if the middleware does not close in time without its files


def says(process: Process, words: str) -> None:
    """Wait for the words in the output of a process that goes on."""
    until(lambda: words in process.output() or not process.alive(), process.output)
    assert process.alive(), process.output()


def test_deleted_files_are_named_until_the_node_is_restarted(domain, start_node, in_own_memory):
    def run(*command: str, domain: int = domain) -> str:
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain)}
        ended = subprocess.run(
            [*in_own_memory, *command], env=environment, capture_output=True, text=True, timeout=LIMIT_S
        )
        return " ".join(ended.stdout.split())

    doctor = sys.executable, "-m", "bisenetformer_ros.cli", "doctor", "--seconds", "1"
    process = start_node()
    says(process, "no images: no publisher")  # so that the level does not change any more
    assert "have been deleted" not in process.output() + run(*doctor)
    run("sh", "-c", "rm /dev/shm/*")
    says(process, CAUSE)
    until(lambda: CAUSE in run(*doctor), lambda: run(*doctor))
    assert "have been deleted" not in run(*doctor, domain=domain + 1)
    assert not lacks_files()  # of this process
    process.stop()
    restarted = start_node()
    assert "have been deleted" not in restarted.output() + run(*doctor)


def test_the_cause_in_words():
    assert explain_deleted_files([0]) == CAUSE
    assert explain_deleted_files([]) == ""
