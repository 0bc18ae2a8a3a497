"""`bisenetformer evaluate-panoptic`: PQ of any prediction in the COCO panoptic format, as panopticapi counts it."""

import argparse
import json
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.evaluation.panoptic_comparison import PanopticComparison, compare_panoptic
from bisenetformer_ros.evaluation.panoptic_files import open_panoptic_files
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports.panoptic import write_panoptic_report

DESCRIPTION = (
    "Measure the panoptic quality of a prediction in the COCO panoptic format: a JSON file of segments and a PNG of "
    "segment ids per image, by any program and with any category ids. The numbers are those of panopticapi."
)
EXAMPLE = """bisenetformer evaluate-panoptic --gt-json panoptic_val2017.json --pred-json predictions.json --json pq.json
bisenetformer evaluate-panoptic --gt-json gt.json --gt-dir gt_png --pred-json out/panoptic.json --pred-dir out \\
    --report out/pq --image-dir images"""


SHOWN_DOUBTS = 5
"""About the ground truth, on the terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gt-json", type=Path, required=True, metavar="FILE", help="the ground truth")
    parser.add_argument("--gt-dir", type=Path, metavar="DIR", help="its PNGs (default: X for --gt-json X.json)")
    parser.add_argument("--pred-json", type=Path, required=True, metavar="FILE", help="the prediction")
    parser.add_argument("--pred-dir", type=Path, metavar="DIR", help="its PNGs (default: X for --pred-json X.json)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results, shares of 0..1, to this file")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write DIR/report.html")
    parser.add_argument("--image-dir", type=Path, metavar="DIR", help="the photos, for the pictures of the report")


def run(args: argparse.Namespace) -> int:
    if args.image_dir and not args.report:
        raise ConfigError("--image-dir is for the pictures of a report: add --report DIR")
    files = open_panoptic_files(args.gt_json, args.pred_json, args.gt_dir, args.pred_dir)
    columns = (TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(files.pairs))
        comparison = compare_panoptic(files, lambda: progress.advance(task))
    _print(comparison)
    if args.json:
        content = comparison.quality.to_dict(category.id for category in files.categories)
        write_atomically(args.json, (json.dumps(content, indent=2) + "\n").encode())
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        circumstances = {"command": shlex.join(["bisenetformer", *sys.argv[1:]])}
        write_panoptic_report(comparison, args.image_dir, circumstances, args.report / "report.html")
        print(f"report: {args.report / 'report.html'}")
    return 0


def _print(comparison: PanopticComparison) -> None:
    doubts = comparison.doubts
    for doubt in doubts[:SHOWN_DOUBTS]:
        print(f"bisenetformer evaluate-panoptic: {doubt}", file=sys.stderr)
    if len(doubts) > SHOWN_DOUBTS:
        print(f"bisenetformer evaluate-panoptic: {len(doubts) - SHOWN_DOUBTS} more like these", file=sys.stderr)
    table = Table("percent")
    for column in ("PQ", "SQ", "RQ", "categories"):
        table.add_column(column, justify="right")
    quality = comparison.quality
    for name, mean in (("all", quality.all), ("things", quality.things), ("stuff", quality.stuff)):
        table.add_row(name, *(percent(share) for share in (mean.pq, mean.sq, mean.rq)), str(mean.n))
    console = Console()
    console.print(table)
    images, all_categories = len(comparison.files.pairs), len(comparison.files.categories)
    console.print(f"{images} images; means over the categories that occur, {quality.all.n} of {all_categories}")
