"""`bisenetformer evaluate-bag`: evaluate a model on a rosbag2, without ROS or also through the live node."""

import argparse
import contextlib
import math
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bisenetformer_ros.bags.images import LABEL_DECODERS, bag_images, choose_image_topic
from bisenetformer_ros.bags.pace import LOCKSTEP, pace
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.cli.arguments import (
    add_bit_depth_argument,
    add_json_argument,
    add_model_arguments,
    command_line,
    fraction,
    open_segmenter,
    write_json,
)
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.cli.tables import class_table, latency_table, number_table
from bisenetformer_ros.data.sample import describe_ignored
from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.evaluation.bag import BagTopics, evaluate_bag
from bisenetformer_ros.evaluation.bag_frames import BagEvaluation, FrameRecord
from bisenetformer_ros.evaluation.bag_playback import RouteComparison, play_bag
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.inference.engines.opening import resolve_task
from bisenetformer_ros.numbers import counted, percent
from bisenetformer_ros.replay.recording import Recording, ReplayError
from bisenetformer_ros.reports.bag import BagReport, write_bag_report
from bisenetformer_ros.reports.bag_examples import load_examples, worst_frames
from bisenetformer_ros.reports.cards import NO_INSTANCES, tracking_text
from bisenetformer_ros.reports.examples import NUM_EXAMPLES
from bisenetformer_ros.segmenter import Segmenter

DESCRIPTION = (
    "Segment an image topic of a rosbag2 (mcap or sqlite3, raw or compressed images, zstd or not) with the code of the "
    "node. Measure mIoU and PQ against labels in the bag, temporal consistency without labels, and the latency of each "
    "stage. Only --play needs ROS. docs/bags.md defines the measures."
)
EXAMPLE = """bisenetformer evaluate-bag drive.mcap --image-topic /camera/image_raw --report out/drive
bisenetformer evaluate-bag drive.mcap --image-topic /camera/image_raw --label-topic /labels/mask --fail-under miou=0.6
bisenetformer evaluate-bag drive.mcap --image-topic /camera/image_raw --play --rate lockstep --write-bag out/bag"""

DONE, FAILED = 0, 1
MEASURES = ("miou", "pq", "consistency", "panoptic_consistency")
_NEED_LABELS = ("miou", "pq")
_NEED_SEGMENTS = ("pq", "panoptic_consistency")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=Path, help="directory of a rosbag2, or a single .mcap or .db3 file")
    parser.add_argument("--image-topic", metavar="T", help="camera images (default: the bag's only image topic)")
    parser.add_argument(
        "--label-topic", metavar="L", help="images of class ids, matched by stamp; other values are ignored"
    )
    parser.add_argument("--instance-topic", metavar="I", help="images of instance ids, 0 = none; needs --label-topic")
    add_bit_depth_argument(parser)
    add_model_arguments(parser)
    parser.add_argument(
        "--play", action="store_true", help="also play the bag through a live node and compare its results"
    )
    parser.add_argument(
        "--rate",
        type=pace,
        help=f"with --play: factor on the recorded rate, or {LOCKSTEP} (default: 1.0)",
    )
    parser.add_argument("--write-bag", type=Path, metavar="OUT", help="new bag: a copy with all results")
    parser.add_argument("--report", type=Path, metavar="DIR", help="also write DIR/report.html")
    add_json_argument(parser)
    parser.add_argument(
        "--fail-under",
        type=_limit,
        action="append",
        default=[],
        metavar="MEASURE=LIMIT",
        help=f"exit with 1 if a measure ({', '.join(MEASURES)}) is below a limit of 0..1; repeatable",
    )


def _limit(text: str) -> tuple[str, float]:
    """Parse 'miou=0.6' to ("miou", 0.6)."""
    name, _, value = text.partition("=")
    if name not in MEASURES or not value:
        raise argparse.ArgumentTypeError(
            f"expected one of {', '.join(MEASURES)} with its limit, such as miou=0.6, got {text}"
        )
    return name, fraction(value)


def run(args: argparse.Namespace) -> int:
    image_topic = _check(args)
    topics = BagTopics(image_topic, args.label_topic, args.instance_topic, args.bit_depth)
    if args.play and "auto" in (args.engine, args.precision):
        _choose_engine(args, image_topic)
    segmenter = open_segmenter(args)
    try:
        with progress() as bar, tempfile.TemporaryDirectory(prefix="bisenetformer_play_") as scratch:
            comparison = _play(args, image_topic, Path(scratch), bar) if args.play else None
            evaluation, left_out = _evaluate(args, topics, segmenter, comparison, bar)
    except ReplayError as failure:
        print(f"bisenetformer evaluate-bag: the bag could not be played: {failure}", file=sys.stderr)
        return FAILED
    _print(evaluation, comparison, Console())
    if left_out:
        print(f"topics not copied because the definition of their type is unknown: {', '.join(left_out)}")
    _write_files(args, topics, segmenter, evaluation, comparison)
    return _check_limits(args, evaluation, comparison)


def _check(args: argparse.Namespace) -> str:
    """Check everything that needs no loaded model; return the name of the image topic."""
    if args.instance_topic and not args.label_topic:
        raise ConfigError("--instance-topic needs --label-topic: an instance without a class cannot be compared")
    if args.rate is not None and not args.play:
        raise ConfigError("--rate needs --play")
    for name, _ in args.fail_under:
        if name in _NEED_LABELS and not args.label_topic:
            raise ConfigError(f"--fail-under {name} needs labels: name their topic with --label-topic")
        if name in _NEED_SEGMENTS and resolve_task(args.model, args.task) != "panoptic":
            raise ConfigError(f"--fail-under {name} needs --task panoptic")
    if args.write_bag and args.write_bag.exists():
        raise InputError(f"--write-bag {args.write_bag} already exists; expected the name of a new directory")
    with Bag(args.bag) as bag:
        for note in bag.notes:
            print(f"bisenetformer evaluate-bag: {note}", file=sys.stderr)
        image = choose_image_topic(bag, args.image_topic, "--image-topic", (args.label_topic, args.instance_topic))
        for topic, option in ((args.label_topic, "--label-topic"), (args.instance_topic, "--instance-topic")):
            if topic:
                bag.find(topic, LABEL_DECODERS, option)
    return image.name


def _choose_engine(args: argparse.Namespace, topic: str) -> None:
    """Replace "auto" by what is chosen on the first image: measured again, the node could choose otherwise."""
    segmenter = Segmenter(args.model, args.engine, args.task, args.device, args.precision)
    with Bag(args.bag) as bag:
        for image in bag_images(args.bag, bag.messages([topic])):
            with contextlib.suppress(BadFrameError):
                segmenter(image.read())
                break
    args.engine, args.precision = segmenter.engine.name, segmenter.engine.precision


def _play(args: argparse.Namespace, topic: str, scratch: Path, bar: Progress) -> RouteComparison:
    """Play the bag through a node with the same model and parameters. Logs are kept beside the report."""
    task = bar.add_task("playing", total=None, status="starting player, node and listener")
    logs = (args.report or scratch) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    recording_directory = scratch / "recording"
    recording_directory.mkdir()
    model = Path(args.model).expanduser()
    parameters = {
        "model": str(model.resolve() if model.is_file() else args.model),
        **{name: getattr(args, name) for name in ("engine", "device", "precision", "task")},
        **{name: getattr(args, name) for name in ("score_threshold", "overlap_threshold", "bit_depth")},
    }

    def show(recording: Recording) -> None:
        if recording.sent:
            status = f"{len(recording.outputs['mask'])} back, {recording.dropped_by_node()} dropped"
            bar.update(task, total=recording.opened["frames"], completed=len(recording.sent), status=status)

    rate = args.rate or 1.0
    recording = play_bag(args.bag.resolve(), topic, rate, parameters, recording_directory, logs, show)
    return RouteComparison(recording, rate)


def _evaluate(
    args: argparse.Namespace,
    topics: BagTopics,
    segmenter: Segmenter,
    comparison: RouteComparison | None,
    bar: Progress,
) -> tuple[BagEvaluation, list[str]]:
    task = bar.add_task("evaluating", total=None)

    def show(frame: FrameRecord, total: int, miou: float) -> None:
        status = frame.dropped or f"{sum(frame.times_ms.values()):.0f} ms"
        status += "" if math.isnan(miou) else f", mIoU so far {percent(miou)}"
        bar.update(task, advance=1, total=total, status=status)

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
        "command": command_line(),
        "model": f"{engine.metadata.name} ({segmenter.task})",
        "engine": f"{engine.name}, {engine.device}, {engine.precision}",
    }
    content = circumstances | {"bag": str(args.bag), "task_warning": segmenter.task_warning} | evaluation.to_dict()
    write_json(args.json, content | {"play": comparison.to_dict() if comparison else None})
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        worst = worst_frames(evaluation, "miou" if topics.label else "consistency", NUM_EXAMPLES)
        examples = load_examples(args.bag, topics, segmenter, evaluation, worst)
        report = BagReport(args.bag, evaluation, examples, comparison, circumstances, segmenter.task_warning)
        write_bag_report(report, args.report / "report.html")
        print(f"report: {args.report / 'report.html'}")
    if args.write_bag:
        print(f"bag with all results: {args.write_bag}")


def _check_limits(args: argparse.Namespace, evaluation: BagEvaluation, comparison: RouteComparison | None) -> int:
    """Return the exit code; print the reasons for a failure."""
    failures = []
    for name, least in args.fail_under:
        value = evaluation.measures.get(name)
        if value is None:
            failures.append(f"{name} could not be measured, expected at least {least:g}")
        elif value < least:
            failures.append(f"{name} is {value:.4f}, expected at least {least:g}")
    if comparison and not comparison.identical:
        failures.append("the results of the live node differ from the offline results, or there are none")
    for failure in failures:
        print(f"bisenetformer evaluate-bag: {failure}", file=sys.stderr)
    return FAILED if failures else DONE


def _print(evaluation: BagEvaluation, playback: RouteComparison | None, console: Console) -> None:
    console.print(_frame_table(evaluation), latency_table(evaluation.latencies()), sep="\n")
    if evaluation.mean_iou is not None:
        console.print(class_table(evaluation.labels, evaluation.mean_iou, evaluation.panoptic_quality))
        if evaluation.panoptic_quality is not None and not evaluation.has_instances:
            console.print(NO_INSTANCES)
    if ignored := describe_ignored(evaluation.ignored_labels, len(evaluation.labels)):
        console.print(ignored)
    console.print(_consistency_text(evaluation))
    if evaluation.tracking is not None:
        console.print(tracking_text(evaluation.tracking))
    if playback is not None:
        console.print(_playback_text(playback))


def _frame_table(evaluation: BagEvaluation) -> Table:
    table = number_table("frames", "number")
    table.add_row("in the bag", str(len(evaluation.frames)))
    table.add_row("segmented", str(len(evaluation.segmented)))
    for reason, count in evaluation.dropped.items():
        table.add_row(f"unusable: {reason.removeprefix('bad_input.')}", str(count))
    if evaluation.missing:
        table.add_row("missing, estimated from gaps in the stamps", str(evaluation.missing))
    if evaluation.mean_iou is not None:
        table.add_row("with labels", str(evaluation.num_labeled))
    return table


def _consistency_text(evaluation: BagEvaluation) -> str:
    result = evaluation.consistency
    if not result.num_pairs:
        return "Temporal consistency: not measured, consecutive frames are too far apart in time."
    text = f"Temporal consistency: {percent(result.miou)} % mIoU"
    text += "" if math.isnan(result.pq) else f", {percent(result.pq)} % PQ"
    pairs = counted(result.num_pairs, "pair")
    return f"{text} over {pairs} of frames ({percent(result.compared)} % of the pixels compared)."


def _playback_text(playback: RouteComparison) -> str:
    count = playback.recording.count()
    text = f"Live node: {count.received} of {counted(count.sent, 'frame')} received"
    if count.dropped:
        reasons = ", ".join(f"{reason.replace('_', ' ')}: {number}" for reason, number in count.dropped.items())
        text += f" ({reasons})"
    maps = ", ".join(f"{number} of ~/{topic}" for topic, number in playback.compared.items()) or "nothing"
    text += f"; compared with the offline results: {maps}"
    if not playback.differences:
        return f"{text}, all identical."
    worst = max(playback.differences, key=lambda difference: difference.pixels)
    return f"{text}; {len(playback.differences)} differ, ~/{worst.topic} of {worst.name} in {worst.pixels} pixels."
