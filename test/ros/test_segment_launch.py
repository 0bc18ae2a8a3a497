"""launch/segment.launch.py with the real launch_ros, if it is installed (it is not available from PyPI)."""

import signal
from pathlib import Path

import pytest
from sensor_msgs.msg import CameraInfo, Image

pytest.importorskip("launch_ros", reason="launch and launch_ros come with a ROS installation, not with the wheels")

from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.launch_description_sources import get_launch_description_from_python_launch_file

from launch import LaunchContext

FILE = Path(__file__).parents[2] / "launch" / "segment.launch.py"

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

arguments = [tuple(argument.split(":=", 1)) for argument in sys.argv[2:]]
service = LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
sys.exit(service.run())
"""
"""What `ros2 launch FILE name:=value …` does."""


def test_every_argument_has_a_description():
    description = get_launch_description_from_python_launch_file(str(FILE))
    arguments: list[DeclareLaunchArgument] = description.get_launch_arguments()
    of_the_node = "model engine build_engine device precision task image_transport params_file namespace node_name"
    others = "image_topic camera_info_topic cameras rviz large_data use_sim_time"
    assert {argument.name for argument in arguments} == {*of_the_node.split(), *others.split()}
    assert all(argument.description and "no description" not in argument.description for argument in arguments)
    warning = next(argument.description for argument in arguments if argument.name == "large_data")
    assert "EVERY process" in warning


@pytest.mark.parametrize(("large_data", "transport"), [("true", "LARGE_DATA"), ("false", None)])
def test_large_data_sets_the_transport(monkeypatch, large_data, transport):
    monkeypatch.delenv("FASTDDS_BUILTIN_TRANSPORTS", raising=False)
    description = get_launch_description_from_python_launch_file(str(FILE))
    (action,) = (entity for entity in description.entities if isinstance(entity, SetEnvironmentVariable))
    context = LaunchContext()
    context.launch_configurations["large_data"] = large_data
    action.visit(context)
    assert context.environment.get("FASTDDS_BUILTIN_TRANSPORTS") == transport


def test_launched_node_segments_the_given_topic(graph, start, weights, tmp_path):
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text("/**:\n  ros__parameters:\n    overlay_alpha: 0.25\n    task: panoptic\n")
    process = start(
        "-c",
        LAUNCH,
        str(FILE),
        f"model:={weights}",
        "task:=semantic",  # arguments override the file, omitted ones do not
        f"params_file:={parameters}",
        "namespace:=robot",
        "node_name:=eyes",
        "image_topic:=/front/image_color",
    )
    masks = graph.collect(Image, "/robot/eyes/mask")
    infos = graph.collect(CameraInfo, "/robot/eyes/camera_info")
    with graph.camera("/front/image_color") as camera:
        graph.wait_for(lambda: (masks and infos) or not process.alive(), "a mask of the launched node", camera.send)
        assert process.alive(), process.output()
    assert masks[0].header.frame_id == infos[0].header.frame_id == "front_camera"
    assert graph.node.count_publishers("/robot/eyes/panoptic") == 0
    assert graph.get_parameter("/robot/eyes", "overlay_alpha") == 0.25
    assert process.stop(signal.SIGINT) == 0
    assert "Traceback" not in process.output()


def test_several_cameras_with_topics_of_their_own(graph, start, weights):
    process = start(
        "-c",
        LAUNCH,
        str(FILE),
        f"model:={weights}",
        "task:=semantic",
        "cameras:=left, right=/cam1/image_color",
    )
    masks = {name: graph.collect(Image, f"/bisenetformer/{name}/mask") for name in ("left", "right")}
    infos = graph.collect(CameraInfo, "/bisenetformer/right/camera_info")
    with graph.camera("/left/image_raw") as left, graph.camera("/cam1/image_color") as right:

        def send() -> None:
            left.send(size=(48, 80))
            right.send(size=(40, 64))

        graph.wait_for(
            lambda: (all(masks.values()) and infos) or not process.alive(),
            "a mask of each camera, and its calibration",
            send,
        )
        assert process.alive(), process.output()
    assert {(mask.height, mask.width) for mask in masks["left"]} == {(48, 80)}
    assert {(mask.height, mask.width) for mask in masks["right"]} == {(40, 64)}
    assert infos[0].width == 64
    assert process.stop(signal.SIGINT) == 0
