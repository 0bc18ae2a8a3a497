"""`bisenetformer segment`: segment images and videos into label maps, COCO panoptic files and overlays."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.cli.arguments import add_json_argument, add_model_arguments, open_segmenter, write_json
from bisenetformer_ros.cli.interruption import INTERRUPTED, Interruption
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.coco_panoptic import CocoPanopticWriter
from bisenetformer_ros.images.draw import draw_names, overlay
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.images.panels import with_legend
from bisenetformer_ros.images.sources import SourceFrame, Video, open_source
from bisenetformer_ros.images.video import VideoFile
from bisenetformer_ros.inference.engines.switching import explain_choice
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.latency import LatencyWindow
from bisenetformer_ros.numbers import counted
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Segment images, folders of images and videos. For each image, write NAME_label.png (class id per pixel, 255 = "
    "unlabeled), NAME_overlay.png (colours over the image, with a legend) and, for the panoptic task, "
    "NAME_panoptic.png; one panoptic.json in the COCO format describes the segments of all images. The overlays of a "
    "video are one video, NAME_overlay.mp4, in which things keep their id and colour. Ctrl-C ends it after the current "
    "image; what is written is complete."
)
EXAMPLE = """bisenetformer segment street.jpg --out segmented --names
bisenetformer segment drive.mp4 --task semantic --json times.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="an image, a folder of images, a video, or an rtsp:// or http:// address of one",
    )
    parser.add_argument("--out", type=Path, default=Path("segmented"), help="output folder (default: %(default)s)")
    add_model_arguments(parser)
    parser.add_argument("--names", action="store_true", help="draw class names into the overlays, in videos with ids")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    sources = [open_source(path) for path in args.inputs]
    segmenter = open_segmenter(args)
    args.out.mkdir(parents=True, exist_ok=True)
    counts = [source.num_frames for source in sources if source.num_frames is not None]
    total = sum(counts) if len(counts) == len(sources) else None
    with progress() as bar, Interruption() as interruption:
        frames = chain.from_iterable(source.frames for source in sources)
        report = segment_frames(
            bar.track(interruption.until_requested(frames), total=total, description="segmenting"),
            segmenter,
            args.out,
            with_names=args.names,
        )
    for name, source in zip(args.inputs, sources, strict=True):
        if source.skipped:
            print(f"skipped in {name}: {source.skipped}")
    segmented = counted(report.num_segmented, "image")
    stopped = "interrupted: " if interruption.requested else ""
    print(f"{stopped}{segmented} segmented, {len(report.failures)} failed; results are in {args.out}")
    print(f"engine: {explain_choice(segmenter.engine)}")
    write_json(args.json, report.to_dict(segmenter))
    if interruption.requested:
        return INTERRUPTED
    return 1 if report.failures else 0


@dataclass
class Report:
    """Result of a run.

    Attributes:
        latency: Preprocess, inference and postprocess together.
        num_segmented: Number of segmented images.
        failures: One message for each unreadable image.
    """

    latency: LatencyWindow
    num_segmented: int = 0
    failures: list[str] = field(default_factory=list)

    def to_dict(self, segmenter: Segmenter) -> dict[str, Any]:
        """Return plain JSON types; times in milliseconds."""
        engine = segmenter.engine
        return {
            "model": engine.metadata.name,
            "engine": engine.name,
            "device": engine.device,
            "precision": engine.precision,
            "task": segmenter.task,
            "task_warning": segmenter.task_warning,
            "num_segmented": self.num_segmented,
            "failures": self.failures,
            "frame_ms": vars(self.latency.summary()),
        }


def segment_frames(frames: Iterable[SourceFrame], segmenter: Segmenter, folder: Path, with_names: bool) -> Report:
    """Segment frames and write their files.

    Args:
        frames: Images; unreadable ones are reported and skipped.
        segmenter: Model.
        folder: Folder to write to.
        with_names: Whether to draw class names into the overlays.
    """
    report = Report(LatencyWindow())
    coco = CocoPanopticWriter(folder, segmenter.labels) if segmenter.task == "panoptic" else None
    taken: set[str] = set()
    videos: dict[Video, VideoFile] = {}
    trackers: defaultdict[Video, Tracker] = defaultdict(Tracker)
    with ExitStack() as at_the_end:  # also if a frame fails: panoptic.json and videos describe the files that are there
        if coco is not None:
            at_the_end.callback(coco.finish)
        for frame in frames:
            try:
                rgb = frame.read()
            except InputError as error:
                report.failures.append(str(error))
                print(f"bisenetformer segment: {error}", file=sys.stderr)
                continue
            name = _unused(frame.name, taken)
            result = segmenter(rgb)
            if frame.video is not None:
                result = trackers[frame.video].update(result)
            write_image(folder / f"{name}_label.png", result.label_map)
            picture = _draw(rgb, result, segmenter.labels, with_names, with_ids=frame.video is not None)
            if frame.video is None:
                write_image(folder / f"{name}_overlay.png", picture)
            else:
                if frame.video not in videos:
                    path = folder / f"{_unused(frame.video.name, taken)}_overlay.mp4"
                    videos[frame.video] = at_the_end.enter_context(VideoFile(path, frame.video.rate_hz))
                videos[frame.video].write(picture)
            if coco is not None:
                coco.add(name, result)
            report.num_segmented += 1
            report.latency.add(sum(vars(result.times_ms).values()))
    return report


def _draw(
    rgb: np.ndarray, result: SegmentationResult, labels: LabelMap, with_names: bool, with_ids: bool
) -> np.ndarray:
    picture = overlay(rgb, result, labels)
    if with_names:
        picture = draw_names(picture, result, labels, with_ids)
    return with_legend(picture, labels, result.label_map)


def _unused(name: str, taken: set[str]) -> str:
    """Return `name`, or the first of name_2, name_3, … that is not taken, and mark it as taken."""
    candidates = chain([name], (f"{name}_{number}" for number in count(2)))
    unused = next(candidate for candidate in candidates if candidate not in taken)
    taken.add(unused)
    return unused
