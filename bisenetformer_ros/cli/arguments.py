"""Arguments that several commands share."""

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bisenetformer_ros import numbers
from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.images.raw import BIT_DEPTHS
from bisenetformer_ros.inference.engines.capabilities import ENGINES, PRECISIONS, TASK_CHOICES
from bisenetformer_ros.resources import SHIPPED_MODEL

if TYPE_CHECKING:
    from bisenetformer_ros.segmenter import Segmenter


def fraction(text: str) -> float:
    """Parse a number of 0..1."""
    try:
        return numbers.fraction(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive_float(text: str) -> float:
    """Parse a finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def positive_int(text: str) -> int:
    """Parse a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text}")
    return int(text)


def frame_size(text: str) -> tuple[int, int]:
    """Parse '512x1024' to (512, 1024)."""
    sides = _sides(text)
    if len(sides) != 2:
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH in pixels, such as 512x1024, got {text}")
    return sides[0], sides[1]


def input_size(text: str) -> int | tuple[int, int]:
    """Parse '640' to 640 and '360x480' to (360, 480)."""
    sides = _sides(text)
    if len(sides) not in (1, 2):
        raise argparse.ArgumentTypeError(f"expected N or HxW in pixels, such as 640 or 360x480, got {text}")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _sides(text: str) -> tuple[int, ...]:
    sides = text.lower().split("x")
    return tuple(map(int, sides)) if all(side.isdecimal() and int(side) > 0 for side in sides) else ()


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this JSON file")


def write_json(path: Path | None, content: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Write the file of --json, if there is one."""
    if path is not None:
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def command_line() -> str:
    """Return the command line of this process, for reports."""
    return shlex.join(["bisenetformer", *sys.argv[1:]])


def add_task_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task",
        default="auto",
        choices=TASK_CHOICES,
        help="kind of result; auto: that for which the weights were trained (default: %(default)s)",
    )


def add_bit_depth_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bit-depth",
        type=int,
        choices=BIT_DEPTHS,
        default=16,
        help="significant bits of 16-bit images of a topic (default: %(default)s)",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `open_segmenter` reads."""
    parser.add_argument(
        "--model",
        default=SHIPPED_MODEL,
        help="weights, exported graph, TensorRT engine or name of a model (default: %(default)s)",
    )
    parser.add_argument("--engine", default="auto", choices=ENGINES, help="what runs the model (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS, help="number format (default: %(default)s)")
    add_task_argument(parser)
    parser.add_argument(
        "--score-threshold",
        type=fraction,
        default=0.8,
        help="panoptic task: drop segments with a lower score, 0..1 (default: %(default)s)",
    )
    parser.add_argument(
        "--overlap-threshold",
        type=fraction,
        default=0.8,
        help="panoptic task: drop segments of whose mask less than this fraction stays visible, 0..1 "
        "(default: %(default)s)",
    )


def warn(args: argparse.Namespace, warning: str) -> None:
    """Print a warning of a command on stderr, unless it is empty."""
    if warning:
        print(f"bisenetformer {args.command}: warning: {warning}", file=sys.stderr)


def open_segmenter(args: argparse.Namespace) -> "Segmenter":
    """Return the segmenter that the options of `add_model_arguments` describe; warn if its task does not suit it."""
    from bisenetformer_ros.segmenter import Segmenter  # imports torch, which not every command needs

    segmenter = Segmenter(
        args.model,
        engine=args.engine,
        task=args.task,
        device=args.device,
        precision=args.precision,
        score_threshold=args.score_threshold,
        overlap_threshold=args.overlap_threshold,
    )
    warn(args, segmenter.task_warning)
    return segmenter
