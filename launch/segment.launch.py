"""Starts the segmentation node, and optionally the projection node and RViz.

`ros2 launch bisenetformer_ros segment.launch.py --show-args` describes the arguments.

An omitted argument is not passed to the node, so `params_file` and the node's defaults apply.
"""

import signal
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.events import matches_action
from launch.events.process import ProcessExited, ShutdownProcess
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, SubstitutionFailure
from launch.utilities import normalize_to_list_of_substitutions, perform_substitutions
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import ExecutableInPackage, FindPackageShare
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.engines.capabilities import ENGINES, PRECISIONS
from bisenetformer_ros.resources import catalog
from bisenetformer_ros.ros.params_file import check_params_file
from launch import Action, LaunchContext, LaunchDescription, LaunchDescriptionEntity

PACKAGE = "bisenetformer_ros"
RVIZ_NODE = "/bisenetformer"  # the node name in config/rviz/segment.rviz
RVIZ_TOPICS = ("overlay", "color_mask")
RVIZ_DEPTH_TOPICS = ("points", "markers")
RESULTS = ("mask", "panoptic", "segments", "label_map")  # that the projection node subscribes to

NETWORKS = [name for name, entry in catalog().items() if entry.kind == "network"]

# Passed to the node only if set: name → description. docs/node.md has the defaults.
PARAMETERS = {
    "model": f"weights: a file, or the name of a model, shipped or downloaded: {', '.join(NETWORKS)}",
    "engine": f"inference engine: {', '.join(ENGINES)}",
    "device": "device of the network: auto, cpu, cuda or cuda:N",
    "precision": f"number format of the network: {', '.join(PRECISIONS)}",
    "task": "panoptic (classes and instances), semantic (classes only) or auto (that of the weights)",
    "image_transport": "raw, or compressed (JPEG or PNG on TOPIC/compressed)",
}

# Name → default and description.
ARGUMENTS = {
    "build_engine": ("", "true: with engine auto, build a faster engine in the background"),
    "image_topic": ("image_raw", "images of a single camera"),
    "camera_info_topic": ("", "calibration of a single camera (default: camera_info next to the image topic)"),
    "cameras": (
        "",
        "several cameras that share one engine: names, and image topics other than NAME/image_raw: front,rear or "
        "front=/cam0/image_raw,rear=/cam1/image_raw",
    ),
    "depth_topic": (
        "",
        "depth images registered to the single camera: start the projection node, which publishes NODE_NAME_projection/"
        "points, detections_3d and markers",
    ),
    "depth_info_topic": ("", "calibration of the depth images (default: camera_info next to the depth topic)"),
    "params_file": ("", "YAML file with parameters; launch arguments override it"),
    "namespace": ("", "namespace of the node"),
    "node_name": ("bisenetformer", "name of the node and prefix of its topics"),
    "use_sim_time": ("false", "true: use the time from /clock, as published by a simulator"),
    "rviz": ("false", "true: show camera, overlay and classes in RViz, one window per camera"),
    "large_data": (
        "false",
        "true: Fast DDS transport for large messages (FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA). Requires that EVERY "
        "process of the graph uses it: with it, a node receives nothing from a camera without it",
    ),
}

# Launch arguments of launch itself, which any launch file accepts.
OF_LAUNCH = {
    "emulate_tty",
    "launch-prefix",
    "launch-prefix-filter",
    "ros_namespace",
    "sigkill_timeout",
    "sigterm_timeout",
}

LOGGER = get_logger("segment.launch.py")


def generate_launch_description() -> LaunchDescription:
    arguments = {name: ("", description) for name, description in PARAMETERS.items()} | ARGUMENTS
    declarations = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in arguments.items()
    ]
    transport = SetEnvironmentVariable(
        "FASTDDS_BUILTIN_TRANSPORTS", "LARGE_DATA", condition=IfCondition(LaunchConfiguration("large_data"))
    )
    return LaunchDescription([*declarations, transport, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[Action]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    _check_argument_names(context)
    use_sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    parameters = {name: ParameterValue(value(name), value_type=str) for name in PARAMETERS if value(name)}
    if value("build_engine"):
        parameters["build_engine"] = ParameterValue(LaunchConfiguration("build_engine"), value_type=bool)
    cameras = _cameras(value("cameras"))
    if cameras:
        parameters["cameras"] = list(cameras)
        for name in ("image_topic", "camera_info_topic", "depth_topic", "depth_info_topic"):
            if value(name) != ARGUMENTS[name][0]:
                LOGGER.warning(f"{name}:={value(name)} has no effect with cameras; give topics as NAME=TOPIC there")
    else:
        cameras = {"": value("image_topic")}
    pushed_namespace = context.launch_configurations.get("ros_namespace")  # by PushRosNamespace
    namespace = make_namespace_absolute(prefix_namespace(pushed_namespace, value("namespace"))).rstrip("/")
    full_name = f"{namespace}/{value('node_name')}"
    params_file = value("params_file")
    if params_file:
        check_params_file(Path(params_file), full_name)  # the node logs the warning that this returns
    depth_nodes = [_projection(full_name, context, use_sim_time)] if value("depth_topic") and "" in cameras else []
    rviz_cameras = cameras if _wants_rviz(context) else {}
    rviz_nodes = [_rviz(f"{full_name}/{name}".rstrip("/"), topic, use_sim_time) for name, topic in rviz_cameras.items()]
    node = LifecycleNode(
        package=PACKAGE,
        executable="segmentation_node",
        name=value("node_name"),
        namespace=LaunchConfiguration("namespace"),
        parameters=[*([params_file] if params_file else []), use_sim_time | parameters],
        remappings=[
            remapping
            for name, topic in cameras.items()
            for remapping in _inputs(name, topic, value("camera_info_topic"))
        ],
        output="screen",
        on_exit=_when_node_exits(full_name, [*depth_nodes, *rviz_nodes]),
    )
    return [action for process in (node, *depth_nodes, *rviz_nodes) for action in (process, _awaited(process))]


def _check_argument_names(context: LaunchContext) -> None:
    """Reject what the user misspelled, and warn of what another launch file passes in vain.

    Launch itself ignores both. Only arguments that are passed to this file count, as launch configurations of other
    files are visible here, too.

    Raises:
        ConfigError: Unknown argument of `ros2 launch`.
    """
    included = getattr(context.get_locals_as_dict().get("event"), "launch_description", None)
    if included is None:  # included later than at the start of the launch
        return
    known = {*PARAMETERS, *ARGUMENTS}
    for include in _includes_of_this_file(included):
        for name, _ in include.launch_arguments:
            name = perform_substitutions(context, normalize_to_list_of_substitutions(name))
            if name in known | OF_LAUNCH:
                continue
            nearest = get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"expected one of {', '.join(sorted(known))}"
            message = f"unknown launch argument {name}: {hint}"
            if include in included.entities:  # by `ros2 launch`
                raise ConfigError(message)
            LOGGER.warning(message)


def _includes_of_this_file(entity: LaunchDescriptionEntity) -> Iterator[IncludeLaunchDescription]:
    this_file = Path(__file__).resolve()
    for part in entity.describe_sub_entities():
        if (
            isinstance(part, IncludeLaunchDescription)
            and Path(part.launch_description_source.location).resolve() == this_file
        ):
            yield part
        yield from _includes_of_this_file(part)


def _awaited(process: Node) -> OpaqueFunction:
    """Let launch wait for the process: without that, a later error in any launch file leaves it behind."""

    def wait(context: LaunchContext) -> None:
        if future := process.get_asyncio_future():
            context.add_completion_future(future)

    return OpaqueFunction(function=wait)


def _when_node_exits(full_name: str, others: list[Node]) -> Callable[[ProcessExited, LaunchContext], list[EmitEvent]]:
    """Close the other nodes, and let the launch fail if the node did. Other processes of a larger launch carry on."""

    def handle(event: ProcessExited, context: LaunchContext) -> list[EmitEvent]:
        stopped = context.is_shutdown and event.returncode in (-signal.SIGINT, -signal.SIGTERM)
        if event.returncode != 0 and not stopped:
            message = f"{LOGGER.name}: {full_name} ended with exit code {event.returncode}"
            context.asyncio_loop.call_exception_handler({"message": message})  # sets the exit code of the launch
        return [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(other))) for other in others]

    return handle


def _cameras(argument: str) -> dict[str, str]:
    """front,rear=/cam1/image_raw → {"front": "front/image_raw", "rear": "/cam1/image_raw"}."""
    pairs = [part.strip().partition("=") for part in argument.split(",") if part.strip()]
    return {name: topic or f"{name}/image_raw" for name, _, topic in pairs}


def _inputs(name: str, image_topic: str, camera_info_topic: str) -> list[tuple[str, str]]:
    """The remappings of one camera; by default the node looks for camera_info beside the images."""
    if name:
        return [(f"{name}/image_raw", image_topic)]
    return [("image_raw", image_topic), *([("camera_info", camera_info_topic)] if camera_info_topic else [])]


def _projection(full_name: str, context: LaunchContext, use_sim_time: dict[str, ParameterValue]) -> Node:
    """The projection node of a single camera; full_name: of the segmentation node."""
    depth_topic = LaunchConfiguration("depth_topic").perform(context)
    info_topic = LaunchConfiguration("depth_info_topic").perform(context)
    return Node(
        package=PACKAGE,
        executable="projection_node",
        name=f"{LaunchConfiguration('node_name').perform(context)}_projection",
        namespace=LaunchConfiguration("namespace"),
        parameters=[use_sim_time],
        remappings=[
            *((f"bisenetformer/{topic}", f"{full_name}/{topic}") for topic in RESULTS),
            ("depth/image", depth_topic),
            *([("depth/camera_info", info_topic)] if info_topic else []),
        ],
        output="screen",
    )


def _wants_rviz(context: LaunchContext) -> bool:
    if not IfCondition(LaunchConfiguration("rviz")).evaluate(context):
        return False
    try:
        ExecutableInPackage("rviz2", "rviz2").perform(context)
    except (PackageNotFoundError, SubstitutionFailure):
        distribution = context.environment.get("ROS_DISTRO", "$ROS_DISTRO")
        LOGGER.warning(f"rviz:=true has no effect: rviz2 is missing; install ros-{distribution}-rviz2")
        return False
    return True


def _rviz(outputs: str, image_topic: str, use_sim_time: dict[str, ParameterValue]) -> Node:
    """outputs: Prefix of the camera's output topics."""
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "rviz", "segment.rviz"])],
        remappings=[
            ("/image_raw", image_topic),
            *((f"{RVIZ_NODE}/{topic}", f"{outputs}/{topic}") for topic in RVIZ_TOPICS),
            *((f"{RVIZ_NODE}_projection/{topic}", f"{outputs}_projection/{topic}") for topic in RVIZ_DEPTH_TOPICS),
        ],
        parameters=[use_sim_time],
    )
