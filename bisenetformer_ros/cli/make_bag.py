"""`bisenetformer make-bag`: write a rosbag2 of images and their labels, or of a generated drive."""

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
from rich.progress import Progress

from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.bags.recorder import DEPTH_TOPIC, ENCODINGS, BagFormat, DriveRecorder
from bisenetformer_ros.bags.topics import list_topics
from bisenetformer_ros.bags.writer import COMPRESSIONS, STORAGES
from bisenetformer_ros.cli.arguments import positive_float, positive_int
from bisenetformer_ros.cli.interruption import INTERRUPTED, Interruption
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.data.custom import LabelImageFormat
from bisenetformer_ros.data.sample import describe_ignored
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.images.frame_geometry import FrameGeometry
from bisenetformer_ros.images.sources import SourceFrame, open_source
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.replay.footage import DRIVE, Footage, drive_seeds, find_footage, render_footage
from bisenetformer_ros.streets import LABEL_MAP

DESCRIPTION = (
    "Write a rosbag2 with a camera topic and, if there are labels, label topics, from a folder of images, a video, or "
    "a generated drive, which has exact labels, instances and depth. See docs/bags.md."
)
EXAMPLE = """bisenetformer make-bag drive:7 out/drive7 --frames 60
bisenetformer make-bag drive:7 out/depth7 --depth
bisenetformer make-bag '~/camvid/val/*.jpg' out/val --rate 15 --storage sqlite3 --encoding jpeg --compression file"""

DRIVE_FRAMES = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        help="drive:SEED (generated), a folder of images, a pattern such as 'DIR/cam0_*.jpg', a video, or an rtsp:// "
        "or http:// address of one; NAME.png beside NAME.jpg is its label image",
    )
    parser.add_argument("bag", type=Path, help="directory of the new bag; must not exist")
    parser.add_argument("--labels", type=Path, help="folder with a label image NAME.png for every image NAME")
    parser.add_argument(
        "--label-map",
        default="camvid11",
        help="classes: name or YAML file; that of a data set also defines values and instances (default: %(default)s)",
    )
    parser.add_argument(
        "--depth",
        action="store_true",
        help=f"write the exact depth of a generated drive, too, as {DEPTH_TOPIC} (32FC1)",
    )
    parser.add_argument("--rate", type=positive_float, default=10.0, help="frames per second (default: %(default)s)")
    parser.add_argument(
        "--frames", type=positive_int, help=f"maximum number (default: all; {DRIVE_FRAMES} for a generated drive)"
    )
    parser.add_argument("--storage", default="mcap", choices=STORAGES, help="file format (default: %(default)s)")
    parser.add_argument("--encoding", default="raw", choices=ENCODINGS, help="of the images (default: %(default)s)")
    parser.add_argument(
        "--compression", default="none", choices=COMPRESSIONS, help="what zstd compresses (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    storage = BagFormat(args.storage, args.compression, args.encoding)
    with tempfile.TemporaryDirectory(prefix="bisenetformer_bag_") as scratch, progress() as bar:
        form = LabelImageFormat.load(args.label_map)
        footage = _prepare(args, form, Path(scratch), bar)
        frames = open_source(footage.path)
        total = frames.num_frames if args.frames is None else min(args.frames, frames.num_frames or args.frames)
        task = bar.add_task("recording", total=total)
        labels = form.labels if footage.truth else None
        interruption = Interruption()
        with ExitStack() as stack:
            if frames.num_frames is None:  # a stream ends by Ctrl-C; another source that is interrupted leaves no bag
                stack.enter_context(interruption)
            recorder = DriveRecorder(args.bag, storage, labels, _has_instances(footage), has_depth=args.depth)
            stack.enter_context(recorder)
            images = interruption.until_requested(islice(frames.frames, args.frames))
            for sample in _samples(footage, labels, images, args.rate):
                recorder.add(*sample)
                bar.advance(task)
            if footage.truth and not recorder.num_labelled:
                raise DataError(f"{footage.truth.labels} has no NAME.png for any image NAME of {args.source}")
    print(footage.description)
    if frames.skipped:
        print(f"not taken as images: {frames.skipped}")
    if footage.truth and (ignored := describe_ignored(footage.truth.ignored, len(form.labels))):
        print(ignored)
    with Bag(args.bag) as bag:
        print(list_topics(bag.topics, f"{args.bag} holds"))
    return INTERRUPTED if interruption.requested else 0


def _prepare(args: argparse.Namespace, form: LabelImageFormat, scratch: Path, bar: Progress) -> Footage:
    """Find the source, or render a drive into `scratch`."""
    seeds = drive_seeds(args.source)
    if seeds is None:
        if args.depth:
            raise InputError(f"--depth: expected a generated drive, drive:SEED, got {args.source}; leave out --depth")
        return find_footage(args.source, args.labels, form)
    if len(seeds) > 1 and args.source != DRIVE:
        raise InputError(f"a bag holds one drive; expected drive:SEED, got '{args.source}'")
    if args.label_map != LABEL_MAP:
        raise InputError(f"a generated drive has the classes of {LABEL_MAP}, got --label-map {args.label_map}")
    count = args.frames or DRIVE_FRAMES
    task = bar.add_task("rendering", total=count)
    return render_footage(seeds[:1], count, args.rate, scratch, lambda: bar.advance(task), int(args.depth))


def _has_instances(footage: Footage) -> bool:
    return footage.truth is not None and footage.truth.instances is not None


def _samples(
    footage: Footage, labels: LabelMap | None, frames: Iterable[SourceFrame], rate_hz: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray | None, np.ndarray | None, FrameGeometry | None]]:
    """Yield stamp in ns, image, label map, instances and geometry of each frame, from the current time on."""
    begin_ns = time.time_ns()
    for number, frame in enumerate(frames):
        rgb = frame.read()
        truth = footage.truth.load(frame.name, labels) if footage.truth and labels else None
        if truth is not None:
            footage.check_size(frame.name, truth[0].shape, rgb.shape[:2])
        stamp_ns = begin_ns + round(number * 1e9 / rate_hz)
        yield stamp_ns, rgb, *(truth or (None, None)), footage.load_geometry(frame.name)
