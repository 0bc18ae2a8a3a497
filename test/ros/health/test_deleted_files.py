"""A node whose files in shared memory are deleted while it runs, as logind does when its user logs out."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from patience import until
from ros_graph import Process

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.ros.health.connectivity import explain_deleted_files
from bisenetformer_ros.ros.health.peers import lacks_files, users_without_files

CAUSE = (
    "files in /dev/shm of a running process of root (uid 0) have been deleted, so Fast DDS does not reach it; logind "
    "deletes them when the user logs out of the last session: run `sudo loginctl enable-linger 0`, or set RemoveIPC=no "
    "in logind.conf, and restart camera and node"
)


@pytest.fixture
def doctor(domain, monkeypatch, capsys) -> Callable[[], str]:
    """Run the command and return what it prints."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))

    def doctor() -> str:
        main(["doctor", "--seconds", "1"])
        return " ".join(capsys.readouterr().out.split())

    return doctor


def delete_files(process: Process) -> None:
    """Delete the segment, the ports and the locks of a process that runs."""
    links = [os.readlink(descriptor) for descriptor in Path(f"/proc/{process.pid}/fd").iterdir()]
    locks = [Path(link) for link in links if link.startswith("/dev/shm/fast") and link.endswith("_el")]
    assert locks
    for lock in locks:
        lock.with_name(lock.name.removesuffix("_el")).unlink()
        lock.unlink()


def test_deleted_files_are_named_until_the_node_is_restarted(graph, domain, start_node, weights, doctor):
    parameters = {"model": str(weights), "task": "semantic", "engine": "torch"}
    process = start_node(parameters)
    graph.wait_until_active(process)
    assert users_without_files(domain) == set()
    delete_files(process)
    cause = explain_deleted_files([os.geteuid()])
    graph.wait_for(lambda: cause in process.output() or not process.alive(), "the node names the cause")
    assert process.alive(), process.output()
    assert users_without_files(domain) == {os.geteuid()}
    assert users_without_files(domain + 1) == set()
    assert not lacks_files()  # of this process
    said = ""

    def doctor_names_the_cause() -> bool:
        nonlocal said
        said = doctor()
        return cause in said

    until(doctor_names_the_cause, lambda: said)
    process.stop()  # by SIGALRM if the middleware does not close in time without its files
    restarted = start_node(parameters)
    subscribed = "subscribed to /image_raw"
    graph.wait_for(lambda: subscribed in restarted.output() or not restarted.alive(), "the node is active again")
    assert restarted.alive(), restarted.output()
    assert users_without_files(domain) == set()
    assert "have been deleted" not in restarted.output() + doctor()


def test_the_cause_in_words():
    assert explain_deleted_files([0]) == CAUSE
    assert explain_deleted_files([]) == ""
