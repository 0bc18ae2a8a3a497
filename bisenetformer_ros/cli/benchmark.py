"""`bisenetformer benchmark`: measure speed, memory and agreement of each engine on the same frames."""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.benchmark.models import (
    NUM_CLASSES,
    NUM_LEVELS,
    NUM_STAGES,
    BenchmarkModel,
    prepare_model,
    variant,
)
from bisenetformer_ros.benchmark.report import BenchmarkReport
from bisenetformer_ros.benchmark.session import PRECISIONS, Plan, run_benchmark
from bisenetformer_ros.benchmark.tables import show_report, to_markdown
from bisenetformer_ros.cli.arguments import (
    add_json_argument,
    add_task_argument,
    frame_size,
    positive_int,
    warn,
    write_json,
)
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.agreement import MIN_LABELS
from bisenetformer_ros.inference.engines.opening import resolve_task
from bisenetformer_ros.resources import SHIPPED_MODEL

DESCRIPTION = (
    "Measure engines from the camera's uint8 frame to label map or segments: total time and time by stage, memory, "
    "agreement with PyTorch in fp32, and the fraction of the machine's peak performance. The engines run in turn in "
    "one process. Exit code 1 if the fraction of pixels with the same label as PyTorch in fp32 is below the limit of "
    "the engine's precision: "
    + ", ".join(f"{precision} {100 * share:g} %" for precision, share in MIN_LABELS.items())
    + "."
)
EXAMPLE = """bisenetformer benchmark --model bisenetformer-stdc1 --size 512x1024 --size 1024x2048
bisenetformer benchmark --model yard.safetensors --task panoptic --frames yard/ --engine torch --json yard.json
bisenetformer benchmark --model bisenetformer-stdc1 --size 1024x2048 --task semantic --against ~/focoos
bisenetformer benchmark --model bisenetformer-stdc2 --engine torch --levels 3 --stages 1 --task panoptic"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=SHIPPED_MODEL,
        help="weights file, name of a model, or architecture, which gets generated weights (default: %(default)s)",
    )
    parser.add_argument(
        "--engine", action="append", choices=("all", *PRECISIONS), help="engine to measure; repeatable (default: all)"
    )
    add_task_argument(parser)
    parser.add_argument(
        "--size",
        action="append",
        type=frame_size,
        metavar="HxW",
        help="height x width of the frames, pixels; repeatable (default: 1024x2048)",
    )
    parser.add_argument("--frames", help="image, folder of images, video or its address (default: generated streets)")
    parser.add_argument("--rounds", type=positive_int, default=20, help="frames per engine (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="also measure the authors' SDK in this checkout of github.com/FocoosAI/focoos; semantic task only",
    )
    ablation = parser.add_argument_group(
        "variants of an architecture, with random weights (the paper's tables 6 and 7)"
    )
    ablation.add_argument("--queries", type=positive_int, metavar="N", help="queries (default: the architecture's)")
    ablation.add_argument(
        "--levels",
        type=int,
        choices=(2, 3),
        help=f"maps that the decoder reads: 1/32 and 1/16, or also 1/8 (default: {NUM_LEVELS})",
    )
    ablation.add_argument(
        "--stages",
        type=positive_int,
        metavar="N",
        help=f"how often the decoder reads each map (default: {NUM_STAGES})",
    )
    ablation.add_argument("--classes", type=positive_int, metavar="K", help=f"classes (default: {NUM_CLASSES})")
    add_json_argument(parser)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables to this Markdown file")


def run(args: argparse.Namespace) -> int:
    with TemporaryDirectory(prefix="bisenetformer_benchmark_") as folder:
        options = variant(args.queries, args.levels, args.stages, args.classes)
        model = prepare_model(args.model, Path(folder), options)
        report = _measure(model, _plan(args, model), Path(folder))
    warn(args, report.task_warning)
    show_report(report, Console())
    write_json(args.json, report.to_dict())
    if args.markdown:
        write_atomically(args.markdown, to_markdown(report).encode())
    return _check_agreement(report)


def _plan(args: argparse.Namespace, model: BenchmarkModel) -> Plan:
    task = resolve_task(model.path, args.task)
    if args.against and task != "semantic":
        raise ConfigError("the authors' SDK has no panoptic task: omit --against or use --task semantic")
    engines = tuple(PRECISIONS) if "all" in (args.engine or ["all"]) else tuple(dict.fromkeys(args.engine))
    sizes = tuple(args.size or [(1024, 2048)])
    return Plan(task, engines, args.device, sizes, args.frames, args.rounds, args.against)


def _measure(model: BenchmarkModel, plan: Plan, folder: Path) -> BenchmarkReport:
    with progress() as bar:
        task = bar.add_task("measuring", total=plan.num_steps, status="preparing")
        return run_benchmark(model, plan, folder, lambda status, steps: bar.update(task, advance=steps, status=status))


def _check_agreement(report: BenchmarkReport) -> int:
    """Return the exit code; print which engines disagree."""
    differing = [
        (entry.contestant, entry.agreement.labels)
        for size in report.sizes
        for entry in size.entries
        if entry.agreement.labels < MIN_LABELS[entry.contestant.precision]
    ]
    for contestant, labels in differing:
        print(
            f"{contestant.name}: {100 * labels:.2f} % of the labels agree with PyTorch in fp32 "
            f"(required: {100 * MIN_LABELS[contestant.precision]:g} %)",
            file=sys.stderr,
        )
    return 1 if differing else 0
