"""Starts the segmentation node, and RViz if asked to; `ros2 launch bisenetformer_ros segment.launch.py --show-args`.

An argument that is left out is not handed to the node, so that `params_file` and the node's defaults stay in force.
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription

PACKAGE = "bisenetformer_ros"
RVIZ_NODE = "/bisenetformer"  # the name that config/rviz/segment.rviz is written for
RVIZ_TOPICS = ("overlay", "color_mask")

# Handed to the node only if given: name → description. docs/node.md has the defaults.
PARAMETERS = {
    "model": "weights: a file, or the name of a model that ships with the package",
    "engine": "what runs the network: auto, torch, onnxruntime, openvino or tensorrt",
    "device": "where the network runs: auto, cpu, cuda or cuda:N",
    "precision": "number format of the network: auto, fp32, bf16, fp16 or int8",
    "task": "semantic, or panoptic for instances as well",
    "image_transport": "raw, or compressed for JPEG and PNG on TOPIC/compressed",
}


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value="", description=text) for name, text in PARAMETERS.items()]
    arguments += [
        DeclareLaunchArgument(
            "build_engine",
            default_value="",
            description="true: with engine auto, files of a faster engine are made in the background",
        ),
        DeclareLaunchArgument(
            "image_topic", default_value="image_raw", description="images to segment, of the only camera"
        ),
        DeclareLaunchArgument(
            "camera_info_topic",
            default_value="",
            description="calibration of the only camera; left out, it is camera_info beside the image topic",
        ),
        DeclareLaunchArgument(
            "cameras",
            default_value="",
            description="several cameras on one engine: their names, with their image topics where these are not "
            "NAME/image_raw: front,rear or front=/cam0/image_raw,rear=/cam1/image_raw",
        ),
        DeclareLaunchArgument(
            "params_file", default_value="", description="YAML file with parameters; the arguments above override it"
        ),
        DeclareLaunchArgument("namespace", default_value="", description="namespace of the node"),
        DeclareLaunchArgument(
            "node_name", default_value="bisenetformer", description="name of the node, and of its topics' prefix"
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            description="true: take the time from /clock, as simulators send it",
        ),
        DeclareLaunchArgument(
            "rviz", default_value="false", description="true: show camera, overlay and classes in RViz, once per camera"
        ),
        DeclareLaunchArgument(
            "large_data",
            default_value="false",
            description="true: Fast DDS transport for large messages (FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA). Only if "
            "EVERY process of the graph runs with it: a node with it hears nothing from a camera without it",
        ),
    ]
    transport = SetEnvironmentVariable(
        "FASTDDS_BUILTIN_TRANSPORTS", "LARGE_DATA", condition=IfCondition(LaunchConfiguration("large_data"))
    )
    return LaunchDescription([*arguments, transport, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[Node]:
    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    use_sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    parameters = {name: ParameterValue(given(name), value_type=str) for name in PARAMETERS if given(name)}
    if given("build_engine"):
        parameters["build_engine"] = ParameterValue(LaunchConfiguration("build_engine"), value_type=bool)
    cameras = _cameras(given("cameras"))
    if cameras:
        parameters["cameras"] = list(cameras)
    else:
        cameras = {"": given("image_topic")}
    node = LifecycleNode(
        package=PACKAGE,
        executable="segmentation_node",
        name=given("node_name"),
        namespace=LaunchConfiguration("namespace"),
        parameters=[*([given("params_file")] if given("params_file") else []), use_sim_time | parameters],
        remappings=[
            remapping
            for name, topic in cameras.items()
            for remapping in _inputs(name, topic, given("camera_info_topic"))
        ],
        output="screen",
    )
    full_name = "/".join(["", *given("namespace").split("/"), given("node_name")]).replace("//", "/")
    windows = [_rviz(f"{full_name}/{name}".rstrip("/"), topic, use_sim_time) for name, topic in cameras.items()]
    return [node, *windows]


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
    """outputs: what the names of the camera's outputs begin with."""
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
