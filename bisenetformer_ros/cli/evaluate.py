"""`bisenetformer evaluate`: mIoU and PQ of a model on a labelled data set."""

import argparse
import json
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.cli.model_arguments import add_model_arguments, open_segmenter
from bisenetformer_ros.data.catalog import NAMES, SYNTHETIC, open_dataset
from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation, evaluate
from bisenetformer_ros.inference.engines.auto import explain_choice
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports.dataset import DatasetReport, write_dataset_report
from bisenetformer_ros.reports.terminal import class_table, latency_table
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Measure mean IoU (semantic task), or mean IoU and panoptic quality (panoptic task), of a model on a labelled data "
    "set, at the size of the labels. docs/evaluation.md says what is counted how."
)
EXAMPLE = """bisenetformer evaluate --dataset synthetic --task panoptic --report out/synthetic
bisenetformer evaluate --dataset camvid --root ~/data/camvid --split val --task semantic --json camvid.json
bisenetformer evaluate --dataset cityscapes --root ~/data/cityscapes --model stdc2.safetensors --task panoptic"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help=f"{', '.join(NAMES)}, or the YAML file of a set of one's own"
    )
    parser.add_argument("--root", type=Path, help="folder of the data set on disk; synthetic needs none")
    parser.add_argument("--split", default="val", help="of a data set on disk (default: %(default)s)")
    add_model_arguments(parser, task="semantic")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write DIR/report.html")


def run(args: argparse.Namespace) -> int:
    dataset = open_dataset(args.dataset, args.root, **({} if args.dataset == SYNTHETIC else {"splits": [args.split]}))
    segmenter = open_segmenter(args)
    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[status]}"), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(dataset), status="")

        def show(count: int, miou: float) -> None:
            progress.update(task, completed=count, status=f"mIoU so far {percent(miou)}")

        evaluation = evaluate(segmenter, dataset, show)
    _print(evaluation, dataset)
    print(f"engine: {explain_choice(segmenter.engine)}")
    circumstances = _circumstances(args, segmenter)
    if args.json:
        content = circumstances | {"dataset": args.dataset, "task": args.task} | evaluation.to_dict(dataset.labels)
        write_atomically(args.json, (json.dumps(content, indent=2) + "\n").encode())
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        report = DatasetReport(args.dataset, evaluation, dataset, segmenter, circumstances)
        write_dataset_report(report, args.report / "report.html")
        print(f"report: {args.report / 'report.html'}")
    return 0


def _circumstances(args: argparse.Namespace, segmenter: Segmenter) -> dict[str, str]:
    """How the figures came about."""
    engine = segmenter.engine
    texts = {
        "command": shlex.join(["bisenetformer", *sys.argv[1:]]),
        "model": engine.metadata.name,
        "engine": f"{engine.name}, {engine.device}, {engine.precision}",
        "data": args.dataset if args.dataset == SYNTHETIC else f"{args.dataset}, {args.split}",
    }
    if segmenter.task == "panoptic":
        texts["thresholds"] = f"score {args.score_threshold:g}, overlap {args.overlap_threshold:g}"
    return texts


def _print(evaluation: DatasetEvaluation, dataset: LabeledDataset) -> None:
    console = Console()
    console.print(class_table(dataset.labels, evaluation.mean_iou, evaluation.panoptic_quality))
    if evaluation.latency.count:
        console.print(latency_table(evaluation.latencies()))
    pixels = percent(evaluation.mean_iou.pixel_accuracy)
    console.print(f"{len(evaluation.images)} images; of their labelled pixels {pixels} % are right")
    if evaluation.panoptic_quality and not dataset.has_instances:
        console.print("PQ: connected components of the labels stand in for instances; touching objects are one.")
