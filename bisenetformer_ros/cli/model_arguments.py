"""The arguments of every command that segments in its own process, and the segmenter that they describe."""

import argparse

from bisenetformer_ros.cli.argument_types import share
from bisenetformer_ros.inference.engines import ENGINES, TASKS
from bisenetformer_ros.resources import SHIPPED_MODEL
from bisenetformer_ros.segmenter import Segmenter


def add_model_arguments(parser: argparse.ArgumentParser, task: str) -> None:
    """task: the one that is taken if none is named."""
    parser.add_argument(
        "--model",
        default=SHIPPED_MODEL,
        help="weights, exported graph, TensorRT engine or shipped model (%(default)s)",
    )
    parser.add_argument("--engine", default="auto", choices=ENGINES, help="default: %(default)s")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16, fp16 or int8 (default: %(default)s)")
    parser.add_argument("--task", default=task, choices=TASKS, help="default: %(default)s")
    parser.add_argument("--score-threshold", type=share, default=0.8, help="panoptic, 0..1 (default: %(default)s)")
    parser.add_argument("--overlap-threshold", type=share, default=0.8, help="panoptic, 0..1 (default: %(default)s)")


def open_segmenter(args: argparse.Namespace) -> Segmenter:
    return Segmenter(
        args.model,
        engine=args.engine,
        task=args.task,
        device=args.device,
        precision=args.precision,
        score_threshold=args.score_threshold,
        overlap_threshold=args.overlap_threshold,
    )
