"""launch/segment.launch.py with the real launch_ros, if it is installed (it is not available from PyPI)."""

import os
import signal
from pathlib import Path

import pytest
from patience import until
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

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
service = LaunchService(argv=sys.argv[2:])
source = PythonLaunchDescriptionSource(sys.argv[1])
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
sys.exit(service.run())
"""
"""What `ros2 launch FILE name:=value …` does."""

PARENT = f"""
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace

def fail(context):
    if context.launch_configurations["fail"] == "true":
        raise RuntimeError("the robot's launch file fails")

def generate_launch_description():
    source = PythonLaunchDescriptionSource({str(FILE)!r})
    arguments = {{"namespace": "front", "node_name": "eyes", "modell": "x"}}
    return LaunchDescription([
        DeclareLaunchArgument("fail"),
        DeclareLaunchArgument("camera", default_value="of the robot"),
        ExecuteProcess(cmd=["sleep", "inf"]),
        PushRosNamespace("robot"),
        IncludeLaunchDescription(source, launch_arguments=arguments.items()),
        OpaqueFunction(function=fail),
    ])
"""
"""A launch file that includes the one of the package, with an argument that it does not have."""


@pytest.fixture
def launch(start):
    """Start `ros2 launch FILE ARGUMENTS…`; in the end, no process that it started may be left."""
    launches = []

    def launch(*arguments, file=FILE, **variables):
        launches.append(start("-c", LAUNCH, str(file), *arguments, **variables))
        return launches[-1]

    yield launch
    for process in launches:
        if process.alive():
            assert process.stop() == 0, process.output()
        orphans = processes_of(process)
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
        assert not orphans, process.output()


def processes_of(process) -> list[int]:
    """Running processes of its session, by the fields state and session of /proc/PID/stat."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == process.pid and state != "Z":
            found.append(int(path.parent.name))
    return found


def wait_for_output(process, *words: str) -> None:
    until(
        lambda: all(word in process.output() for word in words) or not process.alive(),
        lambda: f"expected {words} in:\n{process.output()}",
    )
    assert all(word in process.output() for word in words), process.output()


def exit_code(process) -> int:
    """Wait until the launch ends by itself."""
    until(lambda: not process.alive(), process.output)
    return process.stop()


def rviz_prefix(folder: Path, script: str | None) -> dict[str, str]:
    """The environment with a package rviz2, whose program is a shell script or missing, before all others."""
    marker = folder / "share" / "ament_index" / "resource_index" / "packages" / "rviz2"
    marker.parent.mkdir(parents=True)
    marker.touch()
    program = folder / "lib" / "rviz2" / "rviz2"
    program.parent.mkdir(parents=True)
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return {"AMENT_PREFIX_PATH": f"{folder}:{os.environ['AMENT_PREFIX_PATH']}"}


def test_every_argument_has_a_description():
    description = get_launch_description_from_python_launch_file(str(FILE))
    arguments: list[DeclareLaunchArgument] = description.get_launch_arguments()
    of_the_node = "model engine build_engine device precision task image_transport params_file namespace node_name"
    others = "image_topic camera_info_topic depth_topic depth_info_topic cameras rviz large_data use_sim_time"
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


def test_depth_topic_starts_the_projection_node(graph, launch, weights):
    process = launch(
        f"model:={weights}",
        "task:=semantic",
        "namespace:=robot",
        "node_name:=eyes",
        "depth_topic:=/depth/registered",
        "depth_info_topic:=/depth/calibration",
    )
    clouds = graph.collect(PointCloud2, "/robot/eyes_projection/points")
    depths = graph.node.create_publisher(Image, "/depth/registered", 10)
    infos = graph.node.create_publisher(CameraInfo, "/depth/calibration", 10)
    p = [50.0, 0.0, 40.0, 0.0, 0.0, 50.0, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    with graph.camera("/robot/image_raw") as camera:

        def send() -> None:
            header = camera.send().header
            infos.publish(CameraInfo(header=header, height=48, width=80, p=p))
            data = b"\xd0\x07" * 48 * 80  # 2000 mm
            depths.publish(Image(header=header, height=48, width=80, encoding="16UC1", step=160, data=data))

        graph.wait_for(lambda: clouds or not process.alive(), "a cloud of the launched node", send)
    assert clouds, process.output()
    assert (clouds[0].height, clouds[0].width) == (48, 80)
    assert process.stop() == 0
    assert processes_of(process) == []


def test_several_cameras_with_topics_of_their_own(graph, start, weights):
    process = start(
        "-c",
        LAUNCH,
        str(FILE),
        f"model:={weights}",
        "task:=semantic",
        "cameras:=left, right=/cam1/image_color",
        "image_topic:=/cam2/image_color",
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
    assert "image_topic:=/cam2/image_color has no effect with cameras" in process.output()
    assert process.stop(signal.SIGINT) == 0


def test_missing_rviz_is_a_warning(graph, launch, weights, tmp_path):
    process = launch(f"model:={weights}", "rviz:=true", **rviz_prefix(tmp_path, None), ROS_DISTRO="kilted")
    masks = graph.collect(Image, "/bisenetformer/mask")
    with graph.camera() as camera:
        graph.wait_for(lambda: masks or not process.alive(), "a mask of the launched node", camera.send)
    assert masks, process.output()
    (warning,) = (line for line in process.output().splitlines() if "WARNING" in line)
    assert "ros-kilted-rviz2" in warning
    assert process.stop() == 0


def test_error_of_another_launch_file_stops_the_node(launch, tmp_path):
    parent = tmp_path / "robot.launch.py"
    parent.write_text(PARENT)
    process = launch("fail:=true", file=parent)
    assert exit_code(process) == 1
    assert "the robot's launch file fails" in process.output()
    assert processes_of(process) == []


def test_death_of_the_node_fails_the_launch_and_closes_rviz(launch, tmp_path):
    process = launch("engine:=steam", "rviz:=true", **rviz_prefix(tmp_path, "exec sleep inf"))
    assert exit_code(process) == 1
    assert process.output().count("/bisenetformer ended with exit code 2") == 1
    assert processes_of(process) == []


def test_included_by_another_launch_file(launch, tmp_path):
    parent = tmp_path / "robot.launch.py"
    parent.write_text(PARENT)
    process = launch(
        "fail:=false",
        "engine:=steam",
        "rviz:=true",
        file=parent,
        **rviz_prefix(tmp_path, 'echo "$@" >&2; exec sleep inf'),
    )
    wait_for_output(process, "/robot/front/eyes ended with exit code 2", "/bisenetformer/overlay:=")
    output = process.output()
    assert "/bisenetformer/overlay:=/robot/front/eyes/overlay" in output
    (warning,) = (line for line in output.splitlines() if "unknown launch argument" in line)
    assert "modell: did you mean model?" in warning
    assert process.alive()  # as do the other processes of the robot
    assert process.stop() == 1
    assert processes_of(process) == []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("modell:=x", "unknown launch argument modell: did you mean model?"),
        ("voltage:=5", "unknown launch argument voltage: expected one of build_engine, "),
        ("params_file:=/missing.yaml", "/missing.yaml cannot be read: No such file or directory"),
        ("params_file:=/", "/ cannot be read: Is a directory"),
        ("rviz:=maybe", "expected one of [true, 1, false, 0] but got 'maybe'"),
    ],
)
def test_refuses_wrong_arguments_before_anything_starts(launch, argument, message):
    process = launch(argument, "emulate_tty:=false")
    assert exit_code(process) == 1
    assert message in process.output()
    assert "process started" not in process.output()
