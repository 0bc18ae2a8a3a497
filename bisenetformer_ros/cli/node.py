"""`bisenetformer node`: the ROS 2 node, the same as `ros2 run bisenetformer_ros segmentation_node`."""

import argparse
import textwrap

from bisenetformer_ros.cli.ros_needed import ros_needed
from bisenetformer_ros.ros.node.settings import help_text

DESCRIPTION = (
    "Run the ROS 2 lifecycle node that segments camera topics. What follows --ros-args is handed to ROS; "
    "docs/node.md explains the topics."
)
EXAMPLE = "bisenetformer node --ros-args -r image_raw:=/camera/image_raw -p task:=semantic"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ros-args",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="…",
        help="remappings (-r), parameters (-p, --params-file) and whatever else ROS understands; comes last",
    )
    parser.epilog = f"{parser.epilog}\n\nparameters (type, default; values; when they may be set):\n" + textwrap.indent(
        help_text(), "  "
    )


def run(args: argparse.Namespace) -> int:
    with ros_needed():
        from bisenetformer_ros.ros.node.segmentation_node import main
    return main(["--ros-args", *args.ros_args])
