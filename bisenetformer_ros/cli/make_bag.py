"""`bisenetformer make-bag`: a rosbag2 of pictures and their labels, or of a generated drive."""

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.bags.recorder import ENCODINGS, BagFormat, DriveRecorder
from bisenetformer_ros.bags.topics import list_topics
from bisenetformer_ros.bags.writer import COMPRESSIONS, STORAGES
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.images.sources import SourceFrame, open_source
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.replay.footage import DRIVE, Footage, drive_seeds, find_footage, render_footage
from bisenetformer_ros.streets import LABEL_MAP

DESCRIPTION = (
    "Write a rosbag2 with a camera and, where there are labels, their topics: from a folder of images, a video, or a "
    "generated drive, which has exact labels and instances. `bisenetformer evaluate-bag` and ROS read it; docs/bags.md."
)
EXAMPLE = """bisenetformer make-bag drive:7 out/drive7 --frames 60
bisenetformer make-bag '~/camvid/val/*.jpg' out/val --rate 15 --storage sqlite3 --encoding jpeg --compression file"""

DRIVE_FRAMES = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        help="drive:SEED (generated), a folder of images, a pattern like 'DIR/cam0_*.jpg', or a video; in a folder of "
        "photographs, NAME.png beside NAME.jpg is its label image",
    )
    parser.add_argument("bag", type=Path, help="directory of the new bag; it must not exist")
    parser.add_argument("--labels", type=Path, help="folder with a label image NAME.png for every image NAME")
    parser.add_argument("--label-map", default="camvid11", help="classes of the labels: name or file (%(default)s)")
    parser.add_argument("--rate", type=_rate, default=10.0, help="frames per second (default: %(default)s)")
    parser.add_argument(
        "--frames", type=_count, default=None, help=f"at most so many; a drive has {DRIVE_FRAMES} by default"
    )
    parser.add_argument("--storage", default="mcap", choices=STORAGES, help="default: %(default)s")
    parser.add_argument("--encoding", default="raw", choices=ENCODINGS, help="of the images (default: %(default)s)")
    parser.add_argument(
        "--compression", default="none", choices=COMPRESSIONS, help="what zstd compresses (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    form = BagFormat(args.storage, args.compression, args.encoding)
    with (
        tempfile.TemporaryDirectory(prefix="bisenetformer_bag_") as scratch,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        footage = _prepare(args, Path(scratch), progress)
        frames = open_source(footage.path)
        total = frames.num_frames if args.frames is None else min(args.frames, frames.num_frames or args.frames)
        task = progress.add_task("recording", total=total)
        labels = LabelMap.load(args.label_map) if footage.truth else None
        with DriveRecorder(args.bag, form, labels, has_instances=_has_instances(footage)) as recorder:
            for sample in _samples(footage, labels, islice(frames.frames, args.frames), args.rate):
                recorder.add(*sample)
                progress.advance(task)
    print(footage.description)
    with Bag(args.bag) as bag:
        print(list_topics(bag.topics, f"{args.bag} holds"))
    return 0


def _prepare(args: argparse.Namespace, scratch: Path, progress: Progress) -> Footage:
    """A drive is rendered into `scratch` first, as for the demo."""
    seeds = drive_seeds(args.source)
    if seeds is None:
        return find_footage(args.source, args.labels)
    if len(seeds) > 1 and args.source != DRIVE:
        raise InputError(f"a bag holds one drive; expected drive:SEED, got '{args.source}'")
    if args.label_map != LABEL_MAP:
        raise InputError(f"a generated drive has the classes of {LABEL_MAP}, got --label-map {args.label_map}")
    count = args.frames or DRIVE_FRAMES
    task = progress.add_task("rendering", total=count)
    return render_footage(seeds[:1], count, args.rate, scratch, lambda: progress.advance(task))


def _has_instances(footage: Footage) -> bool:
    return footage.truth is not None and footage.truth.instances is not None


def _samples(
    footage: Footage, labels: LabelMap | None, frames: Iterable[SourceFrame], rate_hz: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray | None, np.ndarray | None]]:
    """Stamp in ns, image, label map and instances of every frame; the first one is of this moment."""
    begin_ns = time.time_ns()
    for number, frame in enumerate(frames):
        rgb = frame.read()
        truth = footage.truth.load(frame.name, labels) if footage.truth and labels else None
        if truth is not None and truth[0].shape != rgb.shape[:2]:
            sizes = f"{truth[0].shape[::-1]}, the image is {rgb.shape[1::-1]} (width, height)"
            raise DataError(f"the label image of {frame.name} is {sizes}; expected the same size")
        yield begin_ns + round(number * 1e9 / rate_hz), rgb, *(truth or (None, None))


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text}")
    return value
