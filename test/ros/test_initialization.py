"""Every command that starts ROS, where ROS cannot start: one line, without a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import LIMIT_S

NODE = ["bisenetformer_ros.cli", "node"]
NO_HOME = "ROS cannot write its log to ~/.ros/log as HOME is not set: set ROS_LOG_DIR to a writable folder"


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a module without HOME, ROS_HOME and ROS_LOG_DIR."""
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "ROS_HOME", "ROS_LOG_DIR")}
    return subprocess.run(
        [sys.executable, "-m", *command],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


def check(ended: subprocess.CompletedProcess[str], message: str) -> None:
    """Require exit code 2 and the message alone, after the program's name."""
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith(f": {message}\n"), ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [NODE, ["bisenetformer_ros.cli", "doctor"]], ids=["node", "doctor"])
def test_without_home_the_message_names_the_variable(command):
    check(run(command), NO_HOME)


@pytest.mark.parametrize("folder", ["/proc", "/dev/null"])  # not even root can write there
def test_an_unwritable_log_folder_is_named(folder):
    check(run(NODE, ROS_LOG_DIR=folder), f"ROS cannot write its log to {folder}: set ROS_LOG_DIR to a writable folder")


def test_an_unwritable_ros_home_is_named():
    message = "ROS cannot write its log to /proc/nowhere/log: set ROS_LOG_DIR to a writable folder"
    check(run(NODE, ROS_HOME="/proc/nowhere"), message)


def test_a_player_refuses_with_the_message(tmp_path):
    """So that `demo` and `evaluate-bag --play` repeat it."""
    source = Path(__file__).parents[2] / "docs" / "images"
    ended = run(["bisenetformer_ros.ros.replay.camera_player", str(source)])
    assert ended.returncode == 2
    assert json.loads(ended.stdout.splitlines()[-1]) == {"event": "refused", "reason": NO_HOME}
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--params-file", "/nowhere.yaml"], ["--params-file /nowhere.yaml", "Error opening YAML file"]),
        (["-p", "task"], ["Couldn't parse parameter override rule: '-p task'"]),
        (["--nonsense"], ["unknown ROS arguments", "--nonsense"]),
    ],
)
def test_a_wrong_ros_argument_gives_a_message(arguments, words, tmp_path):
    ended = run([*NODE, "--ros-args", *arguments], ROS_LOG_DIR=str(tmp_path))
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    message = ended.stderr.splitlines()[-1]
    assert message.startswith("segmentation_node: ROS cannot start: ")
    for word in words:
        assert word in message


def test_a_wrong_domain_gives_a_message(tmp_path):
    message = "ROS cannot start: ROS_DOMAIN_ID is not an integral number"
    check(run(NODE, ROS_LOG_DIR=str(tmp_path), ROS_DOMAIN_ID="front"), message)
