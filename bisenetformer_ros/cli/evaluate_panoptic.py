"""`bisenetformer evaluate-panoptic`: measure the PQ of a prediction in the COCO panoptic format."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from bisenetformer_ros.cli.arguments import add_json_argument, command_line, write_json
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.cli.tables import number_table
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.evaluation.panoptic_comparison import PanopticComparison, compare_panoptic
from bisenetformer_ros.evaluation.panoptic_files import open_panoptic_files
from bisenetformer_ros.numbers import counted, percent
from bisenetformer_ros.reports.panoptic import write_panoptic_report

DESCRIPTION = (
    "Measure the panoptic quality of a prediction in the COCO panoptic format, written by any program: a JSON file of "
    "segments and one PNG of segment ids per image, with any category ids. The numbers are those of panopticapi."
)
EXAMPLE = """bisenetformer evaluate-panoptic --gt-json panoptic_val2017.json --pred-json predictions.json --json pq.json
bisenetformer evaluate-panoptic --gt-json gt.json --gt-dir gt_png --pred-json out/panoptic.json --pred-dir out \\
    --report out/pq --image-dir images"""

SHOWN_DOUBTS = 5
"""Number of warnings about the ground truth that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gt-json", type=Path, required=True, metavar="FILE", help="ground truth")
    parser.add_argument(
        "--gt-dir", type=Path, metavar="DIR", help="ground truth PNGs (default: X for --gt-json X.json)"
    )
    parser.add_argument("--pred-json", type=Path, required=True, metavar="FILE", help="prediction")
    parser.add_argument(
        "--pred-dir", type=Path, metavar="DIR", help="predicted PNGs (default: X for --pred-json X.json)"
    )
    add_json_argument(parser)
    parser.add_argument("--report", type=Path, metavar="DIR", help="also write DIR/report.html")
    parser.add_argument("--image-dir", type=Path, metavar="DIR", help="folder of the images, for the report's examples")


def run(args: argparse.Namespace) -> int:
    if args.image_dir and not args.report:
        raise ConfigError("--image-dir is for the examples of a report: add --report DIR")
    files = open_panoptic_files(args.gt_json, args.pred_json, args.gt_dir, args.pred_dir)
    with progress() as bar:
        task = bar.add_task("comparing", total=len(files.pairs))
        comparison = compare_panoptic(files, lambda: bar.advance(task))
    _print(comparison)
    write_json(args.json, comparison.quality.to_dict(category.id for category in files.categories))
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        write_panoptic_report(comparison, args.image_dir, {"command": command_line()}, args.report / "report.html")
        print(f"report: {args.report / 'report.html'}")
    return 0


def _print(comparison: PanopticComparison) -> None:
    doubts = comparison.doubts
    for doubt in doubts[:SHOWN_DOUBTS]:
        print(f"bisenetformer evaluate-panoptic: {doubt}", file=sys.stderr)
    if len(doubts) > SHOWN_DOUBTS:
        print(f"bisenetformer evaluate-panoptic: {len(doubts) - SHOWN_DOUBTS} more like these", file=sys.stderr)
    table = number_table("percent", "PQ", "SQ", "RQ", "categories")
    quality = comparison.quality
    for name, mean in (("all", quality.all), ("things", quality.things), ("stuff", quality.stuff)):
        table.add_row(name, *(percent(share) for share in (mean.pq, mean.sq, mean.rq)), str(mean.n))
    console = Console()
    console.print(table)
    images, all_categories = counted(len(comparison.files.pairs), "image"), len(comparison.files.categories)
    console.print(f"{images}; means over the categories that occur, {quality.all.n} of {all_categories}")
