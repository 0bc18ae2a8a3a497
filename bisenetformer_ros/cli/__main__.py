"""`bisenetformer COMMAND …`, the same as `python -m bisenetformer_ros.cli COMMAND …`.

A command is a file `bisenetformer_ros/cli/NAME.py` (a hyphen in the name becomes an underscore) and a line in COMMANDS.
The file is imported only when its command is used, so it may import heavy packages. It defines:

    DESCRIPTION = "Do something."                                   # a sentence or a paragraph
    EXAMPLE = "bisenetformer NAME picture.png --out results"        # one or more lines, shown by --help

    def add_arguments(parser: argparse.ArgumentParser) -> None: ...
    def run(args: argparse.Namespace) -> int: ...                    # the exit code

Exit codes: 0 success; 1 failure (an input failed, a measured value missed its limit); 2 misuse. `run` may raise
BiSeNetFormerError, and OSError for files: the message is printed on stderr without a traceback, and the exit code is 2.
A missing package is reported likewise.
Results go to stdout, progress to stderr. A command that measures takes `--json FILE`.
"""

import argparse
import importlib
import io
import re
import sys
import textwrap
from collections.abc import Sequence
from types import ModuleType

from bisenetformer_ros import __version__
from bisenetformer_ros.cli.interruption import INTERRUPTED
from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.libraries import check_opencv

COMMANDS = (
    ("demo", "play a drive as a camera, segment it in a node, report the results"),
    ("segment", "segment an image, a folder of images or a video into files"),
    ("models", "list the models that can be named"),
    ("download", "download models by name"),
    ("train", "train a network"),
    ("evaluate", "measure mIoU and PQ on a data set"),
    ("evaluate-panoptic", "measure the PQ of a prediction in the COCO panoptic format"),
    ("evaluate-bag", "evaluate a model on a rosbag2"),
    ("make-bag", "write a rosbag2 of images and labels, or of a generated drive"),
    ("convert", "convert a checkpoint to a weights file of this package"),
    ("export", "export weights to an ONNX graph from camera frame to result"),
    ("build-engine", "build a TensorRT engine from an exported graph"),
    ("benchmark", "measure the speed, memory and agreement of every engine"),
    ("paper", "hold measurements and counts against the tables of the paper"),
    ("node", "run the ROS 2 segmentation node"),
    ("doctor", "find out why a running node has no output"),
)

SAME_NAME = (
    "mcap",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "pooch",
    "requests",
    "rosbags",
    "safetensors",
    "scipy",
    "torch",
    "zstandard",
)
PACKAGES = {"PIL": "pillow", "cv2": "opencv-python-headless", "yaml": "PyYAML", **{name: name for name in SAME_NAME}}
"""Module → package to install."""
ROS_MODULES = re.compile(r"rclpy|bisenetformer_ros\.msg|(rosidl|rpyutils|ament)\w*|\w+_(msgs|srvs|interfaces)")

MISUSED = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line without the program's name, by default that of this process, and return the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as of stderr, for file names that are not UTF-8
    command = argv[0] if argv else None
    try:
        args = build_parser(command).parse_args(argv)
        return _load(args.command).run(args)
    except (BiSeNetFormerError, OSError) as error:
        problem = str(error)
    except ModuleNotFoundError as error:
        hint = _installation_hint(error.name or "")
        if hint is None:
            raise
        problem = f"{error.name} is missing: {hint}"
    except ImportError as error:
        if error.path is None or not error.path.endswith(".so"):
            raise
        problem = f"{error.name} cannot be imported: {error}"  # a library of the system is missing or too old
    except KeyboardInterrupt:
        return INTERRUPTED
    print(f"bisenetformer {command}: error: {problem}", file=sys.stderr)
    return MISUSED


def build_parser(selected: str | None) -> argparse.ArgumentParser:
    """Return the parser of all commands, with the arguments of the `selected` one, the only file that is imported."""
    parser = argparse.ArgumentParser(
        prog="bisenetformer",
        description="Semantic and panoptic segmentation of images, videos and ROS 2 camera topics.",
        epilog="`bisenetformer COMMAND --help` explains a command and shows an example.",
    )
    parser.add_argument("--version", action="version", version=f"bisenetformer_ros {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS:
        if name != selected:
            subparsers.add_parser(name, help=summary)
            continue
        command = _load(name)
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=textwrap.fill(command.DESCRIPTION, width=100),
            epilog="example:\n" + textwrap.indent(command.EXAMPLE, "  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(subparser)
    return parser


def _installation_hint(module: str) -> str | None:
    if module in PACKAGES:
        return pip_install(PACKAGES[module])
    if ROS_MODULES.fullmatch(module):
        return "source a ROS 2 installation and the workspace, or tools/env.sh in a checkout after `make setup`"
    return None


def _load(command: str) -> ModuleType:
    check_opencv()
    return importlib.import_module(f"bisenetformer_ros.cli.{command.replace('-', '_')}")


if __name__ == "__main__":
    sys.exit(main())
