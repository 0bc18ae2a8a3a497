"""Starts the segmentation node and optionally RViz; see `ros2 launch bisenetformer_ros segment.launch.py --show-args`.

An omitted argument is not passed to the node, so `params_file` and the node's defaults apply.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from bisenetformer_ros.inference.engines.capabilities import ENGINES, PRECISIONS
from launch import LaunchContext, LaunchDescription

PACKAGE = "bisenetformer_ros"
RVIZ_NODE = "/bisenetformer"  # the node name in config/rviz/segment.rviz
RVIZ_TOPICS = ("overlay", "color_mask")

# Passed to the node only if set: name → description. docs/node.md has the defaults.
PARAMETERS = {
    "model": "weights: a file, or the name of a model that ships with the package",
    "engine": f"inference engine: {', '.join(ENGINES)}",
    "device": "device of the network: auto, cpu, cuda or cuda:N",
    "precision": f"number format of the network: {', '.join(PRECISIONS)}",
    "task": "panoptic (classes and instances) or semantic (classes only)",
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


def _start(context: LaunchContext) -> list[Node]:
    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    use_sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    parameters = {name: ParameterValue(value(name), value_type=str) for name in PARAMETERS if value(name)}
    if value("build_engine"):
        parameters["build_engine"] = ParameterValue(LaunchConfiguration("build_engine"), value_type=bool)
    cameras = _cameras(value("cameras"))
    if cameras:
        parameters["cameras"] = list(cameras)
    else:
        cameras = {"": value("image_topic")}
    node = LifecycleNode(
        package=PACKAGE,
        executable="segmentation_node",
        name=value("node_name"),
        namespace=LaunchConfiguration("namespace"),
        parameters=[*([value("params_file")] if value("params_file") else []), use_sim_time | parameters],
        remappings=[
            remapping
            for name, topic in cameras.items()
            for remapping in _inputs(name, topic, value("camera_info_topic"))
        ],
        output="screen",
    )
    full_name = "/".join(["", *value("namespace").split("/"), value("node_name")]).replace("//", "/")
    rviz_nodes = [_rviz(f"{full_name}/{name}".rstrip("/"), topic, use_sim_time) for name, topic in cameras.items()]
    return [node, *rviz_nodes]


def _cameras(argument: str) -> dict[str, str]:
    """front,rear=/cam1/image_raw → {"front": "front/image_raw", "rear": "/cam1/image_raw"}."""
    pairs = [part.strip().partition("=") for part in argument.split(",") if part.strip()]
    return {name: topic or f"{name}/image_raw" for name, _, topic in pairs}


def _inputs(name: str, image_topic: str, camera_info_topic: str) -> list[tuple[str, str]]:
    """The remappings of one camera."""
    prefix = f"{name}/" if name else ""
    beside = "/".join([*image_topic.split("/")[:-1], "camera_info"])
    info_topic = beside if name else camera_info_topic or beside
    return [(f"{prefix}image_raw", image_topic), (f"{prefix}camera_info", info_topic)]


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
        ],
        parameters=[use_sim_time],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
