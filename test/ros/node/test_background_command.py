import os
import signal
import threading
from pathlib import Path

import pytest
from bisenetformer_ros.ros.node.background_command import NICENESS, BackgroundCommand
from patience import LIMIT_S


@pytest.fixture
def lines() -> list[str]:
    return []


def finished(command: BackgroundCommand) -> int:
    command._process.wait(LIMIT_S)
    return command.exit_code()


def test_its_output_is_logged_line_by_line(lines: list[str]) -> None:
    command = BackgroundCommand(["--version"], lines.append)
    assert finished(command) == 0
    assert len(lines) == 1
    assert lines[0].startswith("bisenetformer_ros ")


def test_an_error_is_the_end_of_its_last_words(lines: list[str]) -> None:
    command = BackgroundCommand(["segment", "/nowhere/picture.png"], lines.append)
    assert finished(command) == 2
    assert command.last_words().splitlines()[-1].startswith("bisenetformer segment: error: ")
    assert "/nowhere/picture.png" in command.last_words()


def test_it_gives_way_to_the_node_and_can_be_stopped(
    lines: list[str], domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    arrived = threading.Event()
    command = BackgroundCommand(["node", "--ros-args", "-p", "model:=/nowhere"], lambda line: arrived.set())
    assert arrived.wait(LIMIT_S)  # the node's complaint: from then on it waits for ever
    assert os.getpriority(os.PRIO_PROCESS, command.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    assert command.exit_code() is None
    command.stop()
    assert command.exit_code() in (0, -signal.SIGKILL)  # the latter on a busy machine
    assert not Path(f"/proc/{command.pid}").exists()
