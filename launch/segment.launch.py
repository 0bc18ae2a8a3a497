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
    "engine": "what runs the network: auto, torch",
    "device": "where the network runs: auto, cpu, cuda or cuda:N",
    "precision": "number format of the network: auto, fp32, bf16 or fp16",
    "task": "semantic, or panoptic for instances as well",
}


def generate_launch_description() -> LaunchDescription:
    arguments = [DeclareLaunchArgument(name, default_value="", description=text) for name, text in PARAMETERS.items()]
    arguments += [
        DeclareLaunchArgument("image_topic", default_value="image_raw", description="camera images to segment"),
        DeclareLaunchArgument(
            "camera_info_topic",
            default_value="",
            description="calibration of the camera; left out, it is camera_info beside the image topic",
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
        DeclareLaunchArgument("rviz", default_value="false", description="true: show camera, overlay and mask in RViz"),
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
    given = {name: LaunchConfiguration(name).perform(context) for name in (*PARAMETERS, "params_file", "node_name")}
    image_topic = LaunchConfiguration("image_topic").perform(context)
    camera_info_topic = LaunchConfiguration("camera_info_topic").perform(context)
    use_sim_time = {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)}
    parameters = {name: ParameterValue(given[name], value_type=str) for name in PARAMETERS if given[name]}
    node = LifecycleNode(
        package=PACKAGE,
        executable="segmentation_node",
        name=given["node_name"],
        namespace=LaunchConfiguration("namespace"),
        parameters=[*([given["params_file"]] if given["params_file"] else []), use_sim_time | parameters],
        remappings=[
            ("image_raw", image_topic),
            ("camera_info", camera_info_topic or "/".join([*image_topic.split("/")[:-1], "camera_info"])),
        ],
        output="screen",
    )
    full_name = "/".join(["", *LaunchConfiguration("namespace").perform(context).split("/"), given["node_name"]])
    full_name = full_name.replace("//", "/")
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", PathJoinSubstitution([FindPackageShare(PACKAGE), "config", "rviz", "segment.rviz"])],
        remappings=[
            ("/image_raw", image_topic),
            *((f"{RVIZ_NODE}/{topic}", f"{full_name}/{topic}") for topic in RVIZ_TOPICS),
        ],
        parameters=[use_sim_time],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return [node, rviz]
