"""`bisenetformer paper`: hold measurements and counts against the tables of the paper."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.benchmark.counts import count_network
from bisenetformer_ros.cli.arguments import command_line, warn
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.images.draw import overlay
from bisenetformer_ros.images.files import read_rgb, write_image
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.numbers import counted
from bisenetformer_ros.reports.paper_comparison import TOLERANCE, ComparedTable, PaperComparison, compare, num_counts
from bisenetformer_ros.reports.paper_page import PictureGrid, paper_page
from bisenetformer_ros.resources import SHIPPED_MODEL, share_dir
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Show tables 1 to 7 of the paper with parameters and multiply-accumulates counted here, with what `evaluate "
    "--json` and `benchmark --json` measured, and with the paper's contradictions. Without --results, show the paper "
    "and the counts. --out adds figures 1 and 3."
)
EXAMPLE = """bisenetformer paper
bisenetformer evaluate --dataset cityscapes --root ~/data/cityscapes --model stdc2.safetensors --json results/stdc2.json
bisenetformer paper --results results --out out/paper
bisenetformer paper --out out/paper --images a.jpg b.jpg --models stdc2.safetensors r50.safetensors"""

ALPHA = 0.55


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="folder with JSON files of `evaluate --json` and `benchmark --json`, subfolders included",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write DIR/paper.html, paper.md, paper.json and figure_3.png",
    )
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="images of figure 3 (default: four street scenes that ship with the package)",
    )
    parser.add_argument(
        "--models", nargs="+", metavar="MODEL", help=f"models of figure 3, as of `segment` (default: {SHIPPED_MODEL})"
    )


def run(args: argparse.Namespace) -> int:
    if args.out is None and (args.images or args.models):
        option = "--images" if args.images else "--models"
        raise ConfigError(
            f"{option} is for figure 3, which needs a folder to be written to: add --out DIR, or omit {option}"
        )
    grid = None if args.out is None else _figure_3(args)
    with progress() as bar:
        task = bar.add_task("counting networks", total=num_counts())
        comparison = compare(args.results, _count, lambda: bar.advance(task))
    _print(comparison, Console())
    if grid is not None:
        _write(args.out, comparison, grid)
    return 0


def _count(architecture: Mapping[str, Any], size: tuple[int, int]) -> dict[str, float]:
    counts = asdict(count_network(architecture, size))
    names = {"params_m": "params_m", "flops_g": "gmacs", "folded_flops_g": "folded_gmacs"}
    return {name: counts[key] for name, key in names.items()}


def _figure_3(args: argparse.Namespace) -> PictureGrid:
    paths: Sequence[Path] = args.images or sorted((share_dir() / "config" / "verification").glob("*.jpg"))
    images = [(path.name, read_rgb(path)) for path in paths]
    rows = [{name: rgb} for name, rgb in images]
    label_maps, warnings = [], []
    with progress() as bar:
        for model in args.models or [SHIPPED_MODEL]:
            segmenter = Segmenter(model, task="panoptic")
            warn(args, segmenter.task_warning)
            warnings.append(segmenter.task_warning)
            if segmenter.labels not in label_maps:
                label_maps.append(segmenter.labels)
            for (_, rgb), pictures in zip(bar.track(images, description="figure 3"), rows, strict=True):
                pictures[model] = overlay(rgb, segmenter(rgb), segmenter.labels, ALPHA)
    return PictureGrid(rows, label_maps, warnings)


def _print(comparison: PaperComparison, console: Console) -> None:
    for compared in comparison.tables:
        console.print(f"\n{compared.title}", style="bold", highlight=False)
        console.print(_terminal_table(compared))
        for note in compared.notes():
            console.print(note, highlight=False, markup=False)
    for title, sentences in comparison.lists().items():
        console.print(f"\n{title}", style="bold", highlight=False)
        for sentence in sentences:
            console.print(f"- {sentence}", highlight=False, markup=False)
    console.print(f"\n{TOLERANCE}", style="dim", highlight=False)


def _terminal_table(compared: ComparedTable) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, collapse_padding=True)
    for index, name in enumerate(compared.header()):
        table.add_column(name, justify="right" if index else "left", no_wrap=True)
    for cells in compared.text_rows():
        table.add_row(*(cell.replace("[", r"\[") for cell in cells), style="dim" if cells[0].startswith("  ") else "")
    return table


def _write(folder: Path, comparison: PaperComparison, grid: PictureGrid) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    circumstances = {"command": command_line(), **describe_machine()}
    write_image(folder / "figure_3.png", grid.to_picture())
    files = {
        "paper.html": paper_page(comparison, grid, circumstances),
        "paper.md": comparison.to_markdown(),
        "paper.json": json.dumps(comparison.to_dict(), indent=2) + "\n",
    }
    for name, text in files.items():
        write_atomically(folder / name, text.encode())
    print(f"report: {folder / 'paper.html'}, {counted(len(grid.rows), 'image')} in figure 3")
