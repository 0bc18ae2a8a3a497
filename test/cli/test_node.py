import subprocess
import sys

import pytest

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.ros.node.settings import SETTINGS


def test_ros_arguments_reach_the_node():
    """In a process of its own, as the node chooses the shared memory of its whole process."""
    pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")
    command = [sys.executable, "-m", "bisenetformer_ros.cli", "node", "--ros-args", "-p", "score_threshold:=7.0"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "score_threshold" in ended.stderr


def test_help_shows_how_to_remap_the_camera(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["node", "--help"])
    assert stop.value.code == 0
    assert "--ros-args -r image_raw:=" in capsys.readouterr().out


def test_help_explains_every_parameter_without_ros():
    without_ros = "import sys; sys.modules['rclpy'] = None; from bisenetformer_ros.cli.__main__ import main; main()"
    text = subprocess.run([sys.executable, "-c", without_ros, "node", "--help"], capture_output=True, text=True)
    assert text.returncode == 0, text.stderr
    words = " ".join(text.stdout.split())
    for setting in SETTINGS:
        assert f" {setting.name} ({setting.type_name}, {setting.default_text}" in words
        assert setting.description in words
