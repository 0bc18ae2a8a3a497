"""`bisenetformer export`: weights to an ONNX graph that does the whole job, compared with PyTorch at once."""

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.cli.arguments import add_json_argument, add_task_argument, frame_size, warn, write_json
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.images.sources import sample_images
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
bisenetformer export nano.safetensors nano.onnx --size 480x640 --task semantic --precision fp16 --verify-with drive/"""

MAX_FRAMES = 20
"""Of --verify-with; more frames hardly change the result."""
MAX_CALIBRATION = 32
"""Of --calibrate; on CamVid, more frames change nothing."""


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
        help="required for int8: images like the camera's, as a folder, pattern, video or address; "
        f"up to {MAX_CALIBRATION} are used",
    )
    parser.add_argument(
        "--symmetric",
        action="store_true",
        help="with int8: signed activations without zero points, as TensorRT requires (default: unsigned, for CPUs)",
    )
    parser.add_argument(
        "--engine",
        choices=(*GRAPH_ENGINES, "tensorrt"),
        help="engine to run the graph: with openvino or onnxruntime, it is for CPUs and ends at the logits; with "
        "tensorrt it includes post-processing (default: it does so, and every engine runs it)",
    )
    parser.add_argument("--bgr", action="store_true", help="take frames as B, G, R instead of R, G, B")
    parser.add_argument("--dynamic-batch", action="store_true", help="take any number of frames per run instead of one")
    parser.add_argument(
        "--verify-with",
        metavar="IMAGES",
        help="compare with PyTorch on these images, as a folder, pattern, video or address; up to "
        f"{MAX_FRAMES} are used (default: four rendered streets)",
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    check_output(args.output, ".onnx")
    if args.precision == "int8" and args.calibrate is None:
        raise ConfigError("--calibrate IMAGES is required for --precision int8")
    if args.precision != "int8" and args.calibrate is not None:
        raise ConfigError(f"--calibrate is for --precision int8 only, got {args.precision}")
    if args.precision != "int8" and args.symmetric:
        raise ConfigError(f"--symmetric is for --precision int8 only, got {args.precision}")
    weights = find_model(args.model)
    task = resolve_task(weights, args.task)
    warning = task_warning(task, trained_task(weights))
    warn(args, warning)
    colours = "bgr" if args.bgr else "rgb"
    ends_at = "logits" if args.engine in GRAPH_ENGINES else "results"
    options = ExportOptions(task, args.size, args.precision, colours, args.dynamic_batch, args.symmetric, ends_at)
    if args.verify_with:
        frames = read_frames(args.verify_with, args.size, MAX_FRAMES)
    else:
        frames = load_verification_frames(args.size)
    calibration = read_frames(args.calibrate, args.size, MAX_CALIBRATION) if args.calibrate else []
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


def read_frames(source: str, size: tuple[int, int], most: int) -> list[np.ndarray]:
    """Read up to `most` images of a source, resized to (height, width) `size`."""
    images = sample_images(source, most)
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
