"""`bisenetformer segment`: images and videos from disk to label maps, COCO panoptic files and overlays."""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.cli.model_arguments import add_model_arguments, open_segmenter
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.coco_panoptic import CocoPanopticWriter
from bisenetformer_ros.images.draw import draw_names, overlay
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.images.sources import SourceFrame, open_source
from bisenetformer_ros.inference.engines.auto import explain_choice
from bisenetformer_ros.metrics.latency import LatencyWindow
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Segment images, folders of images and videos. For each picture: NAME_label.png (class id per pixel, 255 "
    "unlabeled), NAME_overlay.png (colours over the picture) and, with the panoptic task, NAME_panoptic.png, described "
    "by one panoptic.json in the COCO format."
)
EXAMPLE = """bisenetformer segment street.jpg --out segmented --names
bisenetformer segment drive.mp4 --task semantic --json times.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="an image, a folder of images or a video")
    parser.add_argument("--out", type=Path, default=Path("segmented"), help="folder to write to (default: %(default)s)")
    add_model_arguments(parser, task="panoptic")
    parser.add_argument("--names", action="store_true", help="write the names of the segments into the overlays")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write counts and times to this file")


def run(args: argparse.Namespace) -> int:
    sources = [open_source(path) for path in args.inputs]
    segmenter = open_segmenter(args)
    args.out.mkdir(parents=True, exist_ok=True)
    num_frames = [source.num_frames for source in sources]
    total = sum(num_frames) if None not in num_frames else None
    columns = (TextColumn("segmenting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        frames = progress.track(chain.from_iterable(source.frames for source in sources), total=total)
        report = segment_frames(frames, segmenter, args.out, with_names=args.names)
    print(f"{report.num_segmented} pictures segmented, {len(report.failures)} failed; results are in {args.out}")
    print(f"engine: {explain_choice(segmenter.engine)}")
    if args.json:
        args.json.write_text(json.dumps(report.to_dict(segmenter), indent=2) + "\n", encoding="utf-8")
    return 1 if report.failures else 0


@dataclass
class Report:
    """What became of the pictures. failures: one message for each that could not be read."""

    latency: LatencyWindow
    num_segmented: int = 0
    failures: list[str] = field(default_factory=list)

    def to_dict(self, segmenter: Segmenter) -> dict[str, Any]:
        """Plain JSON types; times are of preprocess, inference and postprocess together, in milliseconds."""
        engine = segmenter.engine
        return {
            "model": engine.metadata.name,
            "engine": engine.name,
            "device": engine.device,
            "precision": engine.precision,
            "task": segmenter.task,
            "num_segmented": self.num_segmented,
            "failures": self.failures,
            "frame_ms": vars(self.latency.summary()),
        }


def segment_frames(frames: Iterable[SourceFrame], segmenter: Segmenter, folder: Path, with_names: bool) -> Report:
    """Writes the files of every frame into `folder`; a frame that cannot be read is reported, the others go on."""
    report = Report(LatencyWindow())
    coco = CocoPanopticWriter(folder, segmenter.labels) if segmenter.task == "panoptic" else None
    taken: set[str] = set()
    for frame in frames:
        try:
            rgb = frame.read()
        except InputError as error:
            report.failures.append(str(error))
            print(f"bisenetformer segment: {error}", file=sys.stderr)
            continue
        name = _unused(frame.name, taken)
        result = segmenter(rgb)
        picture = overlay(rgb, result, segmenter.labels)
        if with_names:
            picture = draw_names(picture, result, segmenter.labels)
        write_image(folder / f"{name}_label.png", result.label_map)
        write_image(folder / f"{name}_overlay.png", picture)
        if coco is not None:
            coco.add(name, result)
        report.num_segmented += 1
        report.latency.add(sum(vars(result.times_ms).values()))
    if coco is not None:
        coco.finish()
    return report


def _unused(name: str, taken: set[str]) -> str:
    """`name`, or `name_2`, `name_3`, … if pictures of the same name came before; remembers what it returns."""
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    unused = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(unused)
    return unused
