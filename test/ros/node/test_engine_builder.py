import os
import signal
import threading
from pathlib import Path

import pytest
from patience import LIMIT_S

from bisenetformer_ros.ros.node.engine_builder import NICENESS, EngineBuilder


@pytest.fixture
def lines() -> list[str]:
    return []


def finished(command: EngineBuilder) -> int:
    command._process.wait(LIMIT_S)
    return command.exit_code()


def test_its_output_is_logged_line_by_line(lines: list[str]) -> None:
    command = EngineBuilder(["--version"], lines.append)
    assert finished(command) == 0
    assert len(lines) == 1
    assert lines[0].startswith("bisenetformer_ros ")


def test_its_last_lines_hold_the_error(lines: list[str]) -> None:
    command = EngineBuilder(["segment", "/nowhere/picture.png"], lines.append)
    assert finished(command) == 2
    assert command.last_lines().splitlines()[-1].startswith("bisenetformer segment: error: ")
    assert "/nowhere/picture.png" in command.last_lines()


def test_it_runs_at_low_priority_and_can_be_stopped(
    lines: list[str], domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    arrived = threading.Event()
    command = EngineBuilder(["node", "--ros-args", "-p", "model:=/nowhere"], lambda line: arrived.set())
    assert arrived.wait(LIMIT_S)  # the node's error; it runs until it is stopped
    assert os.getpriority(os.PRIO_PROCESS, command.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    assert command.exit_code() is None
    command.stop()
    assert command.exit_code() in (0, -signal.SIGKILL)  # the latter on a busy machine
    assert not Path(f"/proc/{command.pid}").exists()
