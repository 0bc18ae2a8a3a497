"""`bisenetformer COMMAND …`, the same as `python -m bisenetformer_ros.cli COMMAND …`.

A command is one file `bisenetformer_ros/cli/NAME.py` (a hyphen in the name becomes an underscore) and one line in
COMMANDS. The file is imported only when its command runs, so it may import what it likes. It has:

    DESCRIPTION = "What the command does, in a sentence or a paragraph."
    EXAMPLE = "bisenetformer NAME picture.png --out results"        # one or more lines, shown by --help

    def add_arguments(parser: argparse.ArgumentParser) -> None: ...
    def run(args: argparse.Namespace) -> int: ...                    # the exit code

Exit codes: 0 done, 1 found wanting (an input failed, a measured value missed its limit), 2 misused. `run` may raise
BiSeNetFormerError, and OSError for files; the message goes to stderr without a traceback, and that counts as misuse. So
does a package that the command needs and that is not installed.
Results go to stdout, progress to stderr.
A command that measures takes `--json FILE`.
"""

import argparse
import importlib
import sys
import textwrap
from collections.abc import Sequence
from types import ModuleType

from bisenetformer_ros import __version__
from bisenetformer_ros.errors import BiSeNetFormerError

COMMANDS = (
    ("demo", "play a drive as a camera, segment it in a node, show what arrives"),
    ("segment", "segment an image, a folder of images or a video into files"),
    ("train", "train a network"),
    ("evaluate", "measure mIoU and PQ on a data set"),
    ("evaluate-panoptic", "measure the PQ of any prediction in the COCO panoptic format"),
    ("evaluate-bag", "judge a model on a recorded drive, a rosbag2"),
    ("make-bag", "write a rosbag2 of images and labels, or of a generated drive"),
    ("convert", "turn a checkpoint into a weights file of this package"),
    ("export", "turn weights into an ONNX graph that does the whole job"),
    ("build-engine", "build a TensorRT engine from an exported graph"),
    ("benchmark", "measure the speed, memory and agreement of every engine"),
    ("node", "run the ROS 2 segmentation node"),
    ("doctor", "say why a running node gives no output"),
)

PACKAGES = {
    "PIL": ("pillow", "demo"),
    "mcap": ("mcap", "bags"),
    "onnx": ("onnx", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "onnxscript": ("onnxscript", "export"),
    "rosbags": ("rosbags", "bags"),
    "safetensors": ("safetensors", "torch"),
    "scipy": ("scipy", "training"),
    "torch": ("torch", "torch"),
    "zstandard": ("zstandard", "bags"),
}
"""Modules that only some commands need: the package to install, and the extra of setup.py that it belongs to."""

MISUSED = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (without the program's name; default: sys.argv) and returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    command = argv[0] if argv else None
    try:
        args = build_parser(command).parse_args(argv)
        return _load(args.command).run(args)
    except (BiSeNetFormerError, OSError) as error:
        problem = str(error)
    except ModuleNotFoundError as error:
        if error.name not in PACKAGES:
            raise
        package, extra = PACKAGES[error.name]
        problem = (
            f"{package} is missing: pip install {package}, or 'bisenetformer_ros[{extra}]' for all that goes with it"
        )
    except KeyboardInterrupt:
        return INTERRUPTED
    print(f"bisenetformer {command}: error: {problem}", file=sys.stderr)
    return MISUSED


def build_parser(selected: str | None) -> argparse.ArgumentParser:
    """The parser that lists all commands and has the arguments of the `selected` one (the only file it imports)."""
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


def _load(command: str) -> ModuleType:
    return importlib.import_module(f"bisenetformer_ros.cli.{command.replace('-', '_')}")


if __name__ == "__main__":
    sys.exit(main())
