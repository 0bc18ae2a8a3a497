"""`bisenetformer evaluate`: measure mIoU and PQ of a model on a labelled data set."""

import argparse
from pathlib import Path

from rich.console import Console

from bisenetformer_ros.cli.arguments import (
    add_json_argument,
    add_model_arguments,
    command_line,
    open_segmenter,
    warn,
    write_json,
)
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.cli.tables import class_table, latency_table
from bisenetformer_ros.data.catalog import NAMES, SYNTHETIC, open_dataset
from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.evaluation.augmented import SCALES, AugmentedSegmenter
from bisenetformer_ros.evaluation.dataset import DatasetEvaluation, evaluate
from bisenetformer_ros.inference.engines.switching import explain_choice
from bisenetformer_ros.model.checkpoint import weights_precision
from bisenetformer_ros.numbers import counted, percent
from bisenetformer_ros.reports.cards import NO_INSTANCES, tracking_text
from bisenetformer_ros.reports.dataset import DatasetReport, write_dataset_report
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Measure the mean IoU of a model and, for the panoptic task, its panoptic quality on a labelled data set, at the "
    "size of the labels. docs/evaluation.md defines the measures."
)
EXAMPLE = """bisenetformer evaluate --dataset synthetic --task panoptic --report out/synthetic
bisenetformer evaluate --dataset camvid --root ~/data/camvid --split val --task semantic --json camvid.json
bisenetformer evaluate --dataset cityscapes --root ~/data/cityscapes --model stdc2.safetensors --task panoptic"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help=f"{', '.join(NAMES)}, or the YAML file of a custom data set"
    )
    parser.add_argument("--root", type=Path, help="folder of the data set; not for synthetic")
    parser.add_argument("--split", default="val", help="part of the data set; not for synthetic (default: %(default)s)")
    add_model_arguments(parser)
    parser.add_argument(
        "--tta",
        action="store_true",
        help="semantic task: average class scores over 6 sizes and mirror images with engine torch (17 times the work)",
    )
    add_json_argument(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="also write DIR/report.html")


def run(args: argparse.Namespace) -> int:
    dataset = open_dataset(args.dataset, args.root, **({} if args.dataset == SYNTHETIC else {"splits": [args.split]}))
    segmenter = _open_augmented(args) if args.tta else open_segmenter(args)
    with progress() as bar:
        task = bar.add_task("evaluating", total=len(dataset))

        def show(count: int, miou: float) -> None:
            bar.update(task, completed=count, status=f"mIoU so far {percent(miou)}")

        evaluation = evaluate(segmenter, dataset, show)
    _print(evaluation, dataset)
    circumstances = _circumstances(args, segmenter)
    print(f"weights: {circumstances['model']}, {circumstances['weights_precision']}")
    print(f"engine: {explain_choice(segmenter.engine)}")
    content = {
        "architecture": dict(segmenter.engine.metadata.architecture),
        "dataset": args.dataset,
        "task": segmenter.task,
        "task_warning": segmenter.task_warning,
    }
    write_json(args.json, circumstances | content | evaluation.to_dict(dataset.labels))
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        report = DatasetReport(args.dataset, evaluation, dataset, segmenter, circumstances)
        write_dataset_report(report, args.report / "report.html")
        print(f"report: {args.report / 'report.html'}")
    return 0


def _open_augmented(args: argparse.Namespace) -> Segmenter:
    if args.engine not in ("auto", "torch"):
        raise ConfigError(f"--tta runs the engine torch, got --engine {args.engine}")
    segmenter = AugmentedSegmenter(args.model, args.task, args.device, args.precision)
    warn(args, segmenter.task_warning)
    return segmenter


def _circumstances(args: argparse.Namespace, segmenter: Segmenter) -> dict[str, str]:
    engine = segmenter.engine
    texts = {
        "command": command_line(),
        "model": engine.metadata.name,
        "weights_precision": _weights_precision(args, segmenter),
        "engine": f"{engine.name}, {engine.device}, {engine.precision}",
        "data": args.dataset if args.dataset == SYNTHETIC else f"{args.dataset}, {args.split}",
    }
    if args.tta:
        texts["test-time augmentation"] = f"scales {', '.join(map(str, SCALES))}, each mirrored, too"
    if segmenter.task == "panoptic":
        texts["thresholds"] = f"score {args.score_threshold:g}, overlap {args.overlap_threshold:g}"
    return texts


def _weights_precision(args: argparse.Namespace, segmenter: Segmenter) -> str:
    """Return the precision in which the file holds the weights: rounding them to fp16 may change results."""
    path = find_model(args.model)
    is_graph = path.suffix.lower() in (".onnx", ".engine")
    return segmenter.engine.precision if is_graph else weights_precision(path)


def _print(evaluation: DatasetEvaluation, dataset: LabeledDataset) -> None:
    console = Console()
    console.print(class_table(dataset.labels, evaluation.mean_iou, evaluation.panoptic_quality))
    if evaluation.latency.count:
        console.print(latency_table(evaluation.latencies()))
    accuracy = percent(evaluation.mean_iou.pixel_accuracy)
    console.print(f"{counted(len(evaluation.images), 'image')}, pixel accuracy {accuracy} %")
    if evaluation.tracking:
        console.print(tracking_text(evaluation.tracking))
    if evaluation.panoptic_quality and not dataset.has_instances:
        console.print(NO_INSTANCES)
