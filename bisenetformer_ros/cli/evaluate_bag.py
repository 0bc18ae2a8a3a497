"""`bisenetformer evaluate-bag`: how well a model does on a recorded drive, without ROS or through the live node."""

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.bags.images import LABEL_DECODERS, choose_image_topic
from bisenetformer_ros.bags.pace import LOCKSTEP, pace
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.cli.argument_types import share
from bisenetformer_ros.cli.model_arguments import add_model_arguments, open_segmenter
from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.evaluation.bag import BagTopics, evaluate_bag
from bisenetformer_ros.evaluation.bag_frames import BagEvaluation, FrameRecord
from bisenetformer_ros.evaluation.bag_playback import RouteComparison, play_bag
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.replay.recording import Recording
from bisenetformer_ros.replay.session import DemoError
from bisenetformer_ros.reports.bag import BagReport, write_bag_report
from bisenetformer_ros.reports.bag_examples import load_examples, worst_frames
from bisenetformer_ros.reports.bag_summary import print_bag_summary
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Run a model over an image topic of a rosbag2 (mcap or sqlite3, raw or compressed images, zstd or not) by the code "
    "of the node, and measure mIoU and PQ against labels in the bag, temporal consistency without labels, and the time "
    "of every stage. Needs no ROS, except with --play. docs/bags.md explains the measures."
)
EXAMPLE = """bisenetformer evaluate-bag drive.mcap --image-topic /camera/image_raw --report out/drive
bisenetformer evaluate-bag drive.mcap --image-topic /camera/image_raw --label-topic /labels/mask --fail-under miou=0.6
bisenetformer evaluate-bag drive.mcap --image-topic /camera/image_raw --play --rate lockstep --write-bag out/bag"""

DONE, FAILED = 0, 1
NUM_EXAMPLES = 6
MEASURES = ("miou", "pq", "consistency", "panoptic_consistency")
_NEED_LABELS = ("miou", "pq")
_NEED_SEGMENTS = ("pq", "panoptic_consistency")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="directory with metadata.yaml, or a single .mcap or .db3 file")
    parser.add_argument("--image-topic", metavar="T", help="may be left out if the bag has one image topic")
    parser.add_argument(
        "--label-topic", metavar="L", help="images of class ids, found by stamp; other values are ignored"
    )
    parser.add_argument("--instance-topic", metavar="I", help="images of instance ids, 0 = none; with --label-topic")
    add_model_arguments(parser, task="panoptic")
    parser.add_argument(
        "--play", action="store_true", help="also send the bag through a live node and compare what comes back"
    )
    parser.add_argument(
        "--rate", type=pace, help=f"with --play: 1.0 as recorded (default), 0.5 half as fast, {LOCKSTEP} frame by frame"
    )
    parser.add_argument("--write-bag", type=Path, metavar="OUT", help="write a copy of the bag with all results in it")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write DIR/report.html")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured to FILE as well")
    parser.add_argument(
        "--fail-under",
        type=limit,
        action="append",
        default=[],
        metavar="MEASURE=SHARE",
        help=f"exit with 1 if a measure ({', '.join(MEASURES)}) is below a share of 0..1; may be repeated",
    )


def limit(text: str) -> tuple[str, float]:
    """An argument like miou=0.6."""
    name, _, value = text.partition("=")
    if name not in MEASURES or not value:
        raise argparse.ArgumentTypeError(
            f"expected one of {', '.join(MEASURES)} with its limit, as miou=0.6, got {text}"
        )
    return name, share(value)


def run(args: argparse.Namespace) -> int:
    topics = _check(args)
    segmenter = open_segmenter(args)
    try:
        with _progress() as progress, tempfile.TemporaryDirectory(prefix="bisenetformer_play_") as scratch:
            comparison = _play(args, topics, Path(scratch), progress) if args.play else None
            evaluation, left_out = _evaluate(args, topics, segmenter, comparison, progress)
    except DemoError as failure:
        print(f"bisenetformer evaluate-bag: the bag could not be played: {failure}", file=sys.stderr)
        return FAILED
    print_bag_summary(evaluation, comparison, Console())
    if left_out:
        print(f"not copied, since nothing tells how their types are defined: {', '.join(left_out)}")
    _write_files(args, topics, segmenter, evaluation, comparison)
    return _judge(args, evaluation, comparison)


def _check(args: argparse.Namespace) -> BagTopics:
    """What can be found wrong before the model is loaded; returns the topics, that of the images by its name."""
    if args.instance_topic and not args.label_topic:
        raise ConfigError("--instance-topic needs --label-topic: an instance without a class cannot be compared")
    if args.rate is not None and not args.play:
        raise ConfigError("--rate is how fast --play plays; add --play")
    for name, _ in args.fail_under:
        if name in _NEED_LABELS and not args.label_topic:
            raise ConfigError(f"--fail-under {name} needs labels: name their topic with --label-topic")
        if name in _NEED_SEGMENTS and args.task != "panoptic":
            raise ConfigError(f"--fail-under {name} needs --task panoptic")
    if args.write_bag and args.write_bag.exists():
        raise InputError(f"--write-bag {args.write_bag} already exists; expected the name of a new directory")
    with Bag(args.bag) as bag:
        image = choose_image_topic(bag, args.image_topic, "--image-topic", (args.label_topic, args.instance_topic))
        for topic, option in ((args.label_topic, "--label-topic"), (args.instance_topic, "--instance-topic")):
            if topic:
                bag.find(topic, LABEL_DECODERS, option)
    return BagTopics(image.name, args.label_topic, args.instance_topic)


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[status]}"), console=Console(stderr=True))


def _play(args: argparse.Namespace, topics: BagTopics, scratch: Path, progress: Progress) -> RouteComparison:
    """The node gets the same model and parameters. Logs are kept with the report."""
    task = progress.add_task("playing", total=None, status="starting player, node and listener")
    logs = (args.report or scratch) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    recording_directory = scratch / "recording"
    recording_directory.mkdir()
    model = Path(args.model).expanduser()
    parameters = {
        "model": str(model.resolve() if model.is_file() else args.model),
        **{name: getattr(args, name) for name in ("engine", "device", "precision", "task")},
        **{name: getattr(args, name) for name in ("score_threshold", "overlap_threshold")},
    }

    def show(recording: Recording) -> None:
        if recording.sent:
            status = f"{len(recording.outputs['mask'])} back, {recording.dropped_by_node()} dropped"
            progress.update(task, total=recording.opened["frames"], completed=len(recording.sent), status=status)

    rate = args.rate or 1.0
    recording = play_bag(args.bag.resolve(), topics.image, rate, parameters, recording_directory, logs, show)
    return RouteComparison(recording, rate)


def _evaluate(
    args: argparse.Namespace,
    topics: BagTopics,
    segmenter: Segmenter,
    comparison: RouteComparison | None,
    progress: Progress,
) -> tuple[BagEvaluation, list[str]]:
    task = progress.add_task("evaluating", total=None, status="")

    def show(frame: FrameRecord, total: int) -> None:
        status = frame.dropped or f"{sum(frame.times_ms.values()):.0f} ms"
        status += "" if frame.miou is None else f", mIoU {percent(frame.miou)}"
        progress.update(task, advance=1, total=total, status=status)

    on_result = comparison.add if comparison else lambda frame, result: None
    return evaluate_bag(args.bag, topics, segmenter, args.write_bag, on_result, show)


def _write_files(
    args: argparse.Namespace,
    topics: BagTopics,
    segmenter: Segmenter,
    evaluation: BagEvaluation,
    comparison: RouteComparison | None,
) -> None:
    engine = segmenter.engine
    circumstances = {
        "command": shlex.join(["bisenetformer", *sys.argv[1:]]),
        "model": f"{engine.metadata.name} ({segmenter.task})",
        "engine": f"{engine.name}, {engine.device}, {engine.precision}",
    }
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        worst = worst_frames(evaluation, "miou" if topics.label else "consistency", NUM_EXAMPLES)
        examples = load_examples(args.bag, topics, segmenter, evaluation, worst)
        write_bag_report(
            BagReport(args.bag, evaluation, examples, comparison, circumstances), args.report / "report.html"
        )
        print(f"report: {args.report / 'report.html'}")
    if args.write_bag:
        print(f"bag with all results: {args.write_bag}")
    if args.json:
        content = circumstances | {"bag": str(args.bag)} | evaluation.to_dict()
        content |= {"play": comparison.to_dict() if comparison else None}
        args.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _judge(args: argparse.Namespace, evaluation: BagEvaluation, comparison: RouteComparison | None) -> int:
    """The exit code, with the reasons on stderr."""
    failures = []
    for name, least in args.fail_under:
        value = evaluation.measures.get(name)
        if value is None:
            failures.append(f"{name} could not be measured, expected at least {least:g}")
        elif value < least:
            failures.append(f"{name} is {value:.4f}, expected at least {least:g}")
    if comparison and not comparison.identical:
        failures.append("the live node gave other results than the direct route, or none")
    for failure in failures:
        print(f"bisenetformer evaluate-bag: {failure}", file=sys.stderr)
    return FAILED if failures else DONE
