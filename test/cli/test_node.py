import pytest

from bisenetformer_ros.cli.__main__ import main


def test_ros_arguments_reach_the_node(capfd):
    assert main(["node", "--ros-args", "-p", "score_threshold:=7.0"]) == 2
    assert "score_threshold" in capfd.readouterr().err


def test_help_shows_how_to_remap_the_camera(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["node", "--help"])
    assert stop.value.code == 0
    assert "--ros-args -r image_raw:=" in capsys.readouterr().out
