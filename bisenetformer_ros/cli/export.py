"""`bisenetformer export`: weights to an ONNX graph that does the whole job, compared with PyTorch at once."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.cli.arguments import frame_size
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import ConfigError, ModelError
from bisenetformer_ros.images.sources import open_source
from bisenetformer_ros.inference.engines.capabilities import TASKS
from bisenetformer_ros.inference.graph.contract import GRAPH_PRECISIONS
from bisenetformer_ros.inference.graph.onnx import OPSET, ExportOptions, build_onnx
from bisenetformer_ros.inference.verify import Verification, verify
from bisenetformer_ros.resources import config_file
from bisenetformer_ros.streets import StreetDrive

DESCRIPTION = (
    "Turn weights into an ONNX graph for camera frames of one size. Resize, normalization and post-processing are in "
    "the graph: bytes of frames go in; a label map or, for the panoptic task, a map of queries and a table about them "
    "come out. ONNX Runtime, OpenVINO and TensorRT 8.6 to 11 run it. Before it is written, its results are compared "
    "with PyTorch's; a graph that disagrees is not written, and the exit code is 1."
)
EXAMPLE = """bisenetformer export bisenetformer-nano-camvid nano.onnx --size 480x640
bisenetformer export nano.safetensors nano.onnx --size 480x640 --task semantic --precision fp16 --verify-with drive/"""

MAX_FRAMES = 20
"""Of what --verify-with names; more would say little more."""
MAX_CALIBRATION = 32
"""Of what --calibrate names; on CamVid, more change nothing."""
NUM_DRIVES = 4
"""One frame of each generated drive is compared where no pictures are given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="weights file, or the name of a shipped model")
    parser.add_argument("output", type=Path, metavar="OUT.onnx", help="file to write")
    parser.add_argument("--size", type=frame_size, required=True, metavar="HxW", help="of the camera's frames, pixels")
    parser.add_argument("--task", choices=TASKS, default="panoptic", help="default: %(default)s")
    parser.add_argument(
        "--precision", choices=GRAPH_PRECISIONS, default="fp32", help="of the network (default: %(default)s)"
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="IMAGES",
        help=f"for int8, which is for CPUs: pictures such as the camera gives; up to {MAX_CALIBRATION} are used",
    )
    parser.add_argument("--bgr", action="store_true", help="the graph takes frames as B, G, R instead of R, G, B")
    parser.add_argument(
        "--dynamic-batch", action="store_true", help="one run takes any number of frames instead of one"
    )
    parser.add_argument(
        "--verify-with",
        type=Path,
        metavar="IMAGES",
        help=f"pictures to compare with PyTorch on, at most {MAX_FRAMES}: a folder, a pattern or a video (default: "
        f"{NUM_DRIVES} generated streets)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")


def run(args: argparse.Namespace) -> int:
    if args.output.suffix != ".onnx" or not args.output.parent.is_dir():
        raise ConfigError(f"expected a .onnx file in an existing folder to write to, got {args.output}")
    if (args.precision == "int8") != (args.calibrate is not None):
        raise ConfigError("--precision int8 needs --calibrate IMAGES, and the other precisions have no use for it")
    weights = find_weights(args.model)
    options = ExportOptions(args.task, args.size, args.precision, "bgr" if args.bgr else "rgb", args.dynamic_batch)
    frames = read_frames(args.verify_with, args.size, MAX_FRAMES) if args.verify_with else drive_frames(args.size)
    calibration = read_frames(args.calibrate, args.size, MAX_CALIBRATION) if args.calibrate else []
    with progress() as bar:
        building = bar.add_task("building the graph", total=None)
        proto = build_onnx(weights, options, calibration)
        graph = proto.SerializeToString()
        bar.update(building, total=1, completed=1)
        comparing = bar.add_task("comparing with PyTorch", total=len(frames))
        verification = verify(graph, weights, frames, lambda: bar.advance(comparing))
    print(f"graph:     {len(proto.graph.node)} operators of opset {OPSET}, {len(graph) / 1e6:.1f} MB")
    print(f"agreement: {verification}")
    if args.json:
        args.json.write_text(json.dumps(_figures(args, verification), indent=2) + "\n", encoding="utf-8")
    if not verification.passed:
        print(f"bisenetformer export: {args.output} was not written: the graph disagrees with PyTorch", file=sys.stderr)
        return 1
    write_atomically(args.output, graph)
    print(
        f"wrote {args.output}: {args.task}, {args.precision}, frames of {args.size[0]}x{args.size[1]} (height x width)"
    )
    return 0


def find_weights(model: str) -> Path:
    try:
        return config_file("models", model, ".safetensors")
    except FileNotFoundError as error:
        raise ModelError(f"model {error}") from None


def drive_frames(size: tuple[int, int]) -> list[np.ndarray]:
    """Frames of generated streets, of (height, width) `size`."""
    return [StreetDrive(seed, size=size)[20].rgb for seed in range(NUM_DRIVES)]


def read_frames(path: Path, size: tuple[int, int], most: int) -> list[np.ndarray]:
    """Up to `most` pictures of `path`, spread evenly over all of them and brought to (height, width) `size`."""
    source = open_source(path)
    frames = list(source.frames)
    chosen = [frames[index] for index in np.linspace(0, len(frames) - 1, min(len(frames), most)).astype(int)]
    return [cv2.resize(frame.read(), size[::-1], interpolation=cv2.INTER_AREA) for frame in chosen]


def _figures(args: argparse.Namespace, verification: Verification) -> dict[str, Any]:
    return {
        "model": args.model,
        "task": args.task,
        "precision": args.precision,
        "frame_size": args.size,
        "frames_compared": verification.num_frames,
        "agreement": verification.agreement.to_dict(),
        "passed": verification.passed,
    }
