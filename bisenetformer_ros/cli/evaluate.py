"""`bisenetformer evaluate`: mIoU and PQ of a model on a labelled data set."""

import argparse
import json
import math
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bisenetformer_ros.data.catalog import open_dataset
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation, evaluate
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Measure mean IoU (semantic task) or mean IoU and panoptic quality (panoptic task) on a labelled data set."
)
EXAMPLE = """bisenetformer evaluate --dataset camvid --root ~/data/camvid --split test --task semantic
bisenetformer evaluate --dataset synthetic --task panoptic --json synthetic.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, choices=("camvid", "synthetic"), help="what to measure on")
    parser.add_argument("--root", type=Path, help="folder of the data set on disk; synthetic needs none")
    parser.add_argument("--split", default="test", help="train, val or test, for camvid (default: %(default)s)")
    parser.add_argument("--model", default="bisenetformer-nano-camvid", help="weights file or shipped model")
    parser.add_argument("--task", default="semantic", choices=("semantic", "panoptic"), help="default: %(default)s")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16 (default: %(default)s)")
    parser.add_argument("--score-threshold", type=float, default=0.8, help="panoptic, 0..1 (default: %(default)s)")
    parser.add_argument("--overlap-threshold", type=float, default=0.8, help="panoptic, 0..1 (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")


def run(args: argparse.Namespace) -> int:
    segmenter = Segmenter(
        args.model,
        task=args.task,
        device=args.device,
        precision=args.precision,
        score_threshold=args.score_threshold,
        overlap_threshold=args.overlap_threshold,
    )
    options = {"splits": [args.split]} if args.dataset == "camvid" else {}
    dataset = open_dataset(args.dataset, args.root, **options)
    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[status]}"), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(dataset), status="")

        def show(count: int, miou: float) -> None:
            progress.update(task, completed=count, status=f"mIoU so far {_percent(miou)}")

        evaluation = evaluate(segmenter, dataset, show)
    _print(evaluation, dataset.labels, args.dataset)
    if args.json:
        content = {"model": segmenter.engine.metadata.name, "dataset": args.dataset, "task": args.task}
        content |= evaluation.to_dict(dataset.labels)
        args.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


def _print(evaluation: DatasetEvaluation, labels: LabelMap, dataset: str) -> None:
    console = Console()
    iou, quality = evaluation.mean_iou, evaluation.panoptic_quality
    table = Table("class", "IoU", *(("PQ", "SQ", "RQ") if quality else ()))
    for label in labels.labels:
        of_class = quality.per_class[label.id] if quality else None
        panoptic = (of_class.pq, of_class.sq, of_class.rq) if of_class else ()
        table.add_row(label.name, *map(_percent, (iou.per_class_iou[label.id], *panoptic)))
    console.print(table)
    console.print(
        f"{evaluation.num_images} images: mIoU {_percent(iou.miou)}, pixel accuracy {_percent(iou.pixel_accuracy)}, "
        f"{evaluation.latency.p50_ms:.0f} ms per frame (median)"
    )
    if quality:
        for name, part in (("all", quality.all), ("things", quality.things), ("stuff", quality.stuff)):
            console.print(f"{name}: PQ {_percent(part.pq)}, SQ {_percent(part.sq)}, RQ {_percent(part.rq)}, n {part.n}")
        if dataset == "camvid":
            console.print("CamVid has no instance labels: connected components stand in, so touching objects are one.")


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f}"
