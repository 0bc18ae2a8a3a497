import queue
import socket
from pathlib import Path

import pytest
from patience import LIMIT_S

from bisenetformer_ros.replay import processes
from bisenetformer_ros.replay.processes import Processes, free_domain_id, private_environment

CHILD = """
import signal, sys, time
print('{"event": "ready"}', flush=True)
print("just a remark", flush=True)
print("a complaint", file=sys.stderr, flush=True)
if "deaf" in sys.argv: signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    print('{"event": "listening"}', flush=True)
    while True: time.sleep(0.1)  # a signal between Python's last check and a long sleep would wait for its end
except KeyboardInterrupt: print('{"event": "interrupted"}', flush=True)
"""


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """One process `child` of the module above, which can be imported from tmp_path."""
    (tmp_path / "demo_child.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(processes, "STOP_WITHIN_S", LIMIT_S)
    return Processes(tmp_path, private_environment(tmp_path))


def wait_for_event(processes: Processes, name: str) -> None:
    while processes.events.get(timeout=LIMIT_S)["event"] != name:
        pass


def test_events_and_log_of_a_process_are_separated(started: Processes) -> None:
    with started:
        started.start("child", "demo_child", [])
        wait_for_event(started, "listening")
        assert started.exit_code("child") is None
        started.stop("child")
        wait_for_event(started, "interrupted")
    assert started.exit_code("child") == 0
    assert sorted(started.log_tail("child").splitlines()) == ["a complaint", "just a remark"]
    assert started.log_tail("child", lines=1) in ("a complaint", "just a remark")
    with pytest.raises(queue.Empty):
        started.events.get_nowait()


def test_a_process_that_ignores_sigint_is_killed(started: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_WITHIN_S", 0.2)
    with started:
        started.start("child", "demo_child", ["deaf"])
        wait_for_event(started, "listening")
    assert started.exit_code("child") == -9


def test_an_exception_stops_the_processes(started: Processes) -> None:
    def fail() -> None:
        with started:
            started.start("child", "demo_child", [])
            wait_for_event(started, "listening")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert started.exit_code("child") == 0


def test_the_graph_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISCOVERY_SERVER", "10.0.0.1:11811")
    environment = private_environment(tmp_path)
    assert 1 <= int(environment["ROS_DOMAIN_ID"]) <= 99
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert environment["FASTDDS_BUILTIN_TRANSPORTS"] == "LARGE_DATA"
    assert "ROS_DISCOVERY_SERVER" not in environment


def test_a_domain_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.random, "sample", lambda population, count: [42, 43])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 7410 + 250 * 42))
        assert free_domain_id() == 43
    assert free_domain_id() == 42
