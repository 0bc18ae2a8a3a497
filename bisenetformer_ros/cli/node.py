"""`bisenetformer node`: run the ROS 2 node, like `ros2 run bisenetformer_ros segmentation_node`."""

import argparse
import os
import signal
import textwrap

from bisenetformer_ros.ros.node.settings import help_text

DESCRIPTION = (
    "Run the ROS 2 lifecycle node that segments camera topics. Arguments after --ros-args are passed to ROS; "
    "docs/node.md explains the topics."
)
EXAMPLE = "bisenetformer node --ros-args -r image_raw:=/camera/image_raw -p task:=semantic"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ros-args",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="…",
        help="remappings (-r), parameters (-p, --params-file) and other ROS arguments; must be the last option",
    )
    parser.epilog = f"{parser.epilog}\n\nparameters (type, default; values; when they can be set):\n" + textwrap.indent(
        help_text(), "  "
    )


def run(args: argparse.Namespace) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # until the node handles them: its imports take seconds
        signal.signal(number, lambda *_: os._exit(0))
    from bisenetformer_ros.ros.node.segmentation_node import main

    return main(["--ros-args", *args.ros_args])
