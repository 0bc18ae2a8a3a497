"""`bisenetformer benchmark`: speed, memory and agreement of every engine on the same frames."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bisenetformer_ros.benchmark.models import BenchmarkModel, prepare_model
from bisenetformer_ros.benchmark.report import BenchmarkReport
from bisenetformer_ros.benchmark.session import PRECISIONS, Plan, run_benchmark
from bisenetformer_ros.benchmark.tables import show_report, to_markdown
from bisenetformer_ros.cli.argument_types import frame_size
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.inference.agreement import MIN_LABELS
from bisenetformer_ros.inference.engines.base import TASKS

DESCRIPTION = (
    "Measure engines end to end, from the camera's uint8 frame to label map or segments: time in total and by stage, "
    "memory, agreement with PyTorch in fp32, and the share of what the machine can do at best. All run in turn in one "
    "process. Exit code 1 if an engine gives fewer pixels the label of PyTorch in fp32 than its precision has to: "
    + ", ".join(f"{precision} {100 * share:g} %" for precision, share in MIN_LABELS.items())
    + "."
)
EXAMPLE = """bisenetformer benchmark --model bisenetformer-stdc1 --size 512x1024 --size 1024x2048
bisenetformer benchmark --model yard.safetensors --task panoptic --frames yard/ --engine torch --json yard.json
bisenetformer benchmark --model bisenetformer-stdc1 --size 1024x2048 --against ~/focoos"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default="bisenetformer-stdc1",
        help="weights file, shipped model, or architecture, for which weights are made up (default: %(default)s)",
    )
    parser.add_argument(
        "--engine", action="append", choices=("all", *PRECISIONS), help="can be given several times (default: all)"
    )
    parser.add_argument("--task", default="semantic", choices=TASKS, help="default: %(default)s")
    parser.add_argument(
        "--size",
        action="append",
        type=frame_size,
        metavar="HxW",
        help="of the frames, in pixels; can be given several times (default: 1024x2048)",
    )
    parser.add_argument("--frames", type=Path, help="picture, folder of pictures or video (default: generated streets)")
    parser.add_argument("--rounds", type=int, default=20, help="each gives every engine a frame (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="CHECKOUT",
        help="also run the authors' SDK from this checkout of github.com/FocoosAI/focoos (semantic task)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables to this file, as Markdown")


def run(args: argparse.Namespace) -> int:
    plan = _plan(args)
    console = Console(stderr=True)
    with TemporaryDirectory(prefix="bisenetformer_benchmark_") as folder:
        report = _measure(prepare_model(args.model, Path(folder)), plan, Path(folder), console)
    show_report(report, Console())
    if args.json:
        args.json.write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
    if args.markdown:
        args.markdown.write_text(to_markdown(report), encoding="utf-8")
    return _judge(report, console)


def _plan(args: argparse.Namespace) -> Plan:
    if args.rounds < 1:
        raise ConfigError(f"expected at least 1 round, got {args.rounds}")
    if args.against and args.task != "semantic":
        raise ConfigError("the authors' SDK has no panoptic task; leave out --against, or measure --task semantic")
    engines = tuple(PRECISIONS) if "all" in (args.engine or ["all"]) else tuple(dict.fromkeys(args.engine))
    sizes = tuple(args.size or [(1024, 2048)])
    return Plan(args.task, engines, args.device, sizes, args.frames, args.rounds, args.against)


def _measure(model: BenchmarkModel, plan: Plan, folder: Path, console: Console) -> BenchmarkReport:
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[status]}"), console=console) as progress:
        task = progress.add_task("", total=plan.num_steps, status="getting ready")
        return run_benchmark(
            model, plan, folder, lambda status, steps: progress.update(task, advance=steps, status=status)
        )


def _judge(report: BenchmarkReport, console: Console) -> int:
    differing = [
        (entry.contestant, entry.agreement.labels)
        for size in report.sizes
        for entry in size.entries
        if entry.agreement.labels < MIN_LABELS[entry.contestant.precision]
    ]
    for contestant, labels in differing:
        least = MIN_LABELS[contestant.precision]
        console.print(
            f"{contestant.name} does not agree: {100 * labels:.2f} % of the labels are those of PyTorch in fp32, at "
            f"least {100 * least:g} % have to be",
            highlight=False,
        )
    return 1 if differing else 0
