"""`bisenetformer export`: weights to an ONNX graph that does the whole job, compared with PyTorch at once."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.bags.images import open_bag
from bisenetformer_ros.bags.reader import is_bag
from bisenetformer_ros.cli.arguments import (
    add_bit_depth_argument,
    add_json_argument,
    add_task_argument,
    frame_size,
    warn,
    write_json,
)
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.images.sources import sample_images, spread
from bisenetformer_ros.inference.calibration_frames import SPACING_S
from bisenetformer_ros.inference.engines.cuda_graph import load_fuse
from bisenetformer_ros.inference.engines.opening import GRAPH_ENGINES, resolve_task
from bisenetformer_ros.inference.graph.cache import check_output
from bisenetformer_ros.inference.graph.contract import GRAPH_PRECISIONS
from bisenetformer_ros.inference.graph.onnx import OPSET, ExportOptions, build_onnx
from bisenetformer_ros.inference.verification_frames import load_verification_frames
from bisenetformer_ros.inference.verify import Verification, verify
from bisenetformer_ros.model.checkpoint import trained_task
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.tasks import task_warning

DESCRIPTION = (
    "Export weights to an ONNX graph for camera frames of one size. The graph includes resize, normalization and "
    "post-processing: bytes of frames go in; a label map or, for the panoptic task, a map of queries and a table of "
    "them come out. ONNX Runtime, OpenVINO and TensorRT 8.6 to 11 run it. For CPUs, --engine openvino or onnxruntime "
    "exports a faster graph without post-processing, which this package does after it. The results are compared with "
    "PyTorch's first; a graph that disagrees is not written, and the exit code is 1."
)
EXAMPLE = """bisenetformer export bisenetformer-nano-camvid nano.onnx --size 480x640
bisenetformer export nano.safetensors nano.onnx --size 480x640 --task semantic --precision fp16 --verify-with drive/
bisenetformer export nano.safetensors nano.onnx --size 480x640 --precision int8 --calibrate-topic /camera/image_raw"""

MAX_FRAMES = 20
"""Of --verify-with; more frames hardly change the result."""
MAX_CALIBRATION = 32
"""Frames that calibrate; on CamVid, more change nothing."""
HELD_OUT = slice(1, None, 3)
"""Images like the camera's on which the graph is compared, and not calibrated, without --verify-with."""
MAX_IMAGES = MAX_CALIBRATION * 3 // 2
"""To read, so that MAX_CALIBRATION remain."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="weights file, or name of a model")
    parser.add_argument("output", type=Path, metavar="OUT.onnx", help="file to write")
    parser.add_argument(
        "--size", type=frame_size, required=True, metavar="HxW", help="height x width of the camera's frames in pixels"
    )
    add_task_argument(parser)
    parser.add_argument(
        "--precision", choices=GRAPH_PRECISIONS, default="fp32", help="of the network (default: %(default)s)"
    )
    parser.add_argument(
        "--calibrate",
        metavar="IMAGES",
        help="required for int8, unless --calibrate-topic is given: images like the camera's, as a folder, pattern, "
        f"video, rosbag2 or address; up to {MAX_CALIBRATION} are used, spread evenly",
    )
    parser.add_argument(
        "--calibrate-topic",
        metavar="TOPIC",
        help="with --calibrate BAG: its image topic, required if it has several; without: an image topic of the "
        f"running ROS 2 graph, from which an image is taken every {SPACING_S:g} s",
    )
    add_bit_depth_argument(parser)
    parser.add_argument(
        "--symmetric",
        action="store_true",
        help="with int8: signed activations without zero points, as TensorRT requires (default: unsigned, for CPUs)",
    )
    parser.add_argument(
        "--engine",
        choices=(*GRAPH_ENGINES, "tensorrt"),
        help="engine to run the graph: with openvino or onnxruntime, it is for CPUs and ends at the logits; with "
        "tensorrt, it ends there if this machine can run the kernels for them (default: it includes post-processing, "
        "and every engine runs it)",
    )
    parser.add_argument("--bgr", action="store_true", help="take frames as B, G, R instead of R, G, B")
    parser.add_argument("--dynamic-batch", action="store_true", help="take any number of frames per run instead of one")
    parser.add_argument(
        "--verify-with",
        metavar="IMAGES",
        help="compare with PyTorch on these images, as a folder, pattern, video, rosbag2 or address; up to "
        f"{MAX_FRAMES} are used (default: four rendered streets; for int8, every third image of --calibrate or "
        f"--calibrate-topic, on which it is then not calibrated)",
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    check_output(args.output, ".onnx")
    if args.precision == "int8" and args.calibrate is None and args.calibrate_topic is None:
        raise ConfigError("--calibrate IMAGES or --calibrate-topic TOPIC is required for --precision int8")
    for option in ("calibrate", "calibrate_topic", "symmetric"):
        if args.precision != "int8" and getattr(args, option):
            raise ConfigError(f"--{option.replace('_', '-')} is for --precision int8 only, got {args.precision}")
    if args.calibrate and args.calibrate_topic and not is_bag(Path(args.calibrate)):
        raise ConfigError(
            f"--calibrate-topic names a topic of a bag or of ROS, got --calibrate {args.calibrate} as well"
        )
    weights = find_model(args.model)
    task = resolve_task(weights, args.task)
    warning = task_warning(task, trained_task(weights))
    warn(args, warning)
    colours = "bgr" if args.bgr else "rgb"
    ends_at = "logits" if args.engine in GRAPH_ENGINES else "results"
    if args.engine == "tensorrt":
        fuse, reason = load_fuse(torch.device("cuda"))
        warn(args, f"the graph includes post-processing: {reason}" if reason else "")
        ends_at = "logits" if fuse else "results"
    options = ExportOptions(task, args.size, args.precision, colours, args.dynamic_batch, args.symmetric, ends_at)
    calibration, frames = _read_all_frames(args)
    with progress() as bar:
        building = bar.add_task("building the graph", total=None)
        proto = build_onnx(weights, options, calibration)
        graph = proto.SerializeToString()
        bar.update(building, total=1, completed=1)
        comparing = bar.add_task("comparing with PyTorch", total=len(frames))
        verification = verify(graph, weights, frames, lambda: bar.advance(comparing))
    print(f"graph: {len(proto.graph.node)} operators of opset {OPSET}, {len(graph) / 1e6:.1f} MB")
    print(verification)
    write_json(args.json, _figures(args, verification) | {"task": task, "task_warning": warning})
    if not verification.passed:
        print(f"bisenetformer export: {args.output} was not written: the graph disagrees with PyTorch", file=sys.stderr)
        return 1
    write_atomically(args.output, graph)
    print(f"wrote {args.output}: {task}, {args.precision}, frames of {args.size[0]}x{args.size[1]} (height x width)")
    return 0


def _read_all_frames(args: argparse.Namespace) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames that calibrate, none unless for int8, and others to compare on."""
    verification: list[np.ndarray] = []
    if args.verify_with:
        verification = read_frames(args.verify_with, args.size, MAX_FRAMES, bit_depth=args.bit_depth)
    frames: list[np.ndarray] = []
    most = MAX_CALIBRATION if verification else MAX_IMAGES
    if args.calibrate:
        frames = read_frames(args.calibrate, args.size, most, args.calibrate_topic, args.bit_depth)
    elif args.calibrate_topic:
        from bisenetformer_ros.ros.image_topic import receive_images  # needs ROS

        with progress() as bar:
            images = receive_images(args.calibrate_topic, most, SPACING_S, args.bit_depth)
            frames = _resized(bar.track(images, total=most, description="receiving images"), args.size)
    if not verification:
        verification = frames[HELD_OUT] or load_verification_frames(args.size)
        del frames[HELD_OUT]
    return frames, verification


def read_frames(
    source: str, size: tuple[int, int], most: int, topic: str | None = None, bit_depth: int = 16
) -> list[np.ndarray]:
    """Read up to `most` images of a source, resized to (height, width) `size`.

    Args:
        source: As of `open_source`, or a bag.
        size: See above.
        most: See above.
        topic: Of a bag; None for its only image topic.
        bit_depth: Significant bits of a bag's 16-bit images.
    """
    if not is_bag(Path(source)):
        return _resized(sample_images(source, most), size)
    bag = open_bag(Path(source), topic, "--calibrate-topic", bit_depth)
    for note in bag.notes:
        print(f"bisenetformer export: {note}", file=sys.stderr)
    return _resized(spread(bag.frames, bag.num_frames or 0, most), size)


def _resized(images: Iterable[np.ndarray], size: tuple[int, int]) -> list[np.ndarray]:
    return [cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA) for image in images]


def _figures(args: argparse.Namespace, verification: Verification) -> dict[str, Any]:
    return {
        "model": args.model,
        "precision": args.precision,
        "frame_size": args.size,
        "frames_compared": verification.num_frames,
        "agreement": verification.agreement.to_dict(),
        "passed": verification.passed,
    }
