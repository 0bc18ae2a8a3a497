"""`bisenetformer demo`: replay a drive through the node, and report the results in numbers and pictures."""

import argparse
import signal
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from bisenetformer_ros.cli.arguments import (
    add_json_argument,
    add_task_argument,
    command_line,
    positive_float,
    positive_int,
    warn,
    write_json,
)
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.cli.tables import class_table, latency_table, number_table
from bisenetformer_ros.data.sample import describe_ignored
from bisenetformer_ros.evaluation.demo import DemoSettings, Outcome, Scores, score
from bisenetformer_ros.inference.engines.capabilities import ENGINES
from bisenetformer_ros.replay import footage as sources
from bisenetformer_ros.replay.recording import Recording, ReplayError
from bisenetformer_ros.replay.session import Player, ReplaySession
from bisenetformer_ros.reports.cards import NO_INSTANCES, boxes_text, tracking_text
from bisenetformer_ros.reports.demo import write_report
from bisenetformer_ros.reports.demo_pictures import ANIMATION_FRAMES, write_animation, write_pictures
from bisenetformer_ros.reports.latency import STAGE_TEXTS
from bisenetformer_ros.resources import SHIPPED_MODEL, find_model

DESCRIPTION = (
    "Play a drive as a ROS 2 camera in one process, segment it with the node in a second and record the results in a "
    "third. Print frame counts, latency and quality; write pictures and a report. docs/demo.md explains the sources."
)
EXAMPLE = """bisenetformer demo
bisenetformer demo --source drive:7,9 --rate 10
bisenetformer demo --source ~/camvid/test --model my.safetensors --json result.json"""

DONE, FAILED = 0, 1
DEPTH_FRAMES = 18
"""Frames of generated drives that have depth; each takes 0.1 s to render."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        default=sources.DRIVE,
        help="drive or drive:SEED,… (generated), a folder of images, a pattern such as 'DIR/cam0_*.jpg', a video, a "
        "rosbag2 (directory, .mcap or .db3), or webcam:N (default: %(default)s)",
    )
    parser.add_argument("--topic", help="image topic of a rosbag2; required if it has several")
    parser.add_argument("--labels", type=Path, help="folder with a label image NAME.png for every image of the source")
    parser.add_argument("--model", default=SHIPPED_MODEL, help="weights or name of a model (default: %(default)s)")
    add_task_argument(parser)
    parser.add_argument("--engine", default="auto", choices=ENGINES, help="engine of the node (default: %(default)s)")
    parser.add_argument("--rate", type=positive_float, default=5.0, help="frames per second (default: %(default)s)")
    parser.add_argument("--frames", type=positive_int, default=180, help="maximum number (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="output folder (default: %(default)s)")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    # SIGTERM ends the demo like Ctrl-C. A background job of a shell may ignore SIGINT, and its children, which are
    # stopped by SIGINT, would inherit that.
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _demonstrate(args)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _demonstrate(args: argparse.Namespace) -> int:
    model = str(find_model(args.model).resolve())
    settings = DemoSettings(args.source, args.topic, args.rate, args.frames, model, args.task, args.engine)
    logs = args.out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bisenetformer_demo_") as scratch, progress() as bar:
        footage = _prepare(settings, args.labels, _subdirectory(scratch, "footage"), bar)
        parameters = {"model": model, "task": args.task, "engine": args.engine}
        session = ReplaySession(_player(settings, footage), parameters, _subdirectory(scratch, "recording"), logs)
        try:
            _play(session, bar)
        except ReplayError as failure:
            bar.stop()
            bar.console.print("failed:", style="bold red", end=" ")
            bar.console.print(str(failure), markup=False, highlight=False, soft_wrap=True)
            return FAILED
        scores, why_none = _score(session.recording, footage, bar)
        outcome = Outcome(settings, footage, session.recording, scores, why_none, command_line())
        files = _write_files(outcome, args.out, bar)
    warn(args, outcome.task_warning)
    write_json(args.json, outcome.to_dict())
    _print(outcome, Console())
    print("\n".join(f"{what}: {path}" for what, path in files))
    return FAILED if outcome.recording.strays() else DONE


def _subdirectory(parent: str, name: str) -> Path:
    path = Path(parent, name)
    path.mkdir()
    return path


def _prepare(settings: DemoSettings, labels: Path | None, directory: Path, bar: Progress) -> sources.Footage:
    """Find or render the source. Drives are rendered in advance because rendering is slower than the camera's rate."""
    seeds = sources.drive_seeds(settings.source)
    if seeds is None:
        return sources.find_footage(settings.source, labels)
    task = bar.add_task("rendering", total=settings.num_frames)
    step = lambda: bar.advance(task)  # noqa: E731
    depth_every = -(-settings.num_frames // DEPTH_FRAMES)
    return sources.render_footage(seeds, settings.num_frames, settings.rate_hz, directory, step, depth_every)


def _player(settings: DemoSettings, footage: sources.Footage) -> Player:
    arguments = [footage.path, "--rate", str(settings.rate_hz), "--frames", str(settings.num_frames)]
    topic = ["--topic", settings.topic] if settings.topic else []
    geometry = ["--geometry", str(footage.geometry)] if footage.geometry else []
    return Player("bisenetformer_ros.ros.replay.camera_player", arguments + topic + geometry)


def _play(session: ReplaySession, bar: Progress) -> None:
    task = bar.add_task("starting", total=None)

    def show(recording: Recording) -> None:
        if not recording.sent:
            return
        count, age = recording.count(), recording.latencies()["age"]
        status = f"{count.received} back, {recording.dropped_by_node()} dropped, {recording.rate_hz():.1f} Hz"
        status += f", {age.p50_ms:.0f} ms" if age.count else ""
        total = recording.opened["frames"]
        bar.update(task, description="playing", total=total, completed=count.sent, status=status)

    try:
        session.run(show)
    finally:
        for note in session.recording.opened.get("notes", []):
            bar.console.print(note, markup=False, highlight=False, soft_wrap=True)  # keeps commands whole


def _score(recording: Recording, footage: sources.Footage, bar: Progress) -> tuple[Scores | None, str]:
    total = len(recording.outputs["mask"]) if footage.truth else 0
    task = bar.add_task("comparing", total=total, visible=total > 0)
    return score(recording, footage, lambda: bar.advance(task))


def _write_files(outcome: Outcome, directory: Path, bar: Progress) -> list[tuple[str, Path]]:
    """Return (kind, path) of what was written."""
    frames = min(ANIMATION_FRAMES, len(outcome.recording.complete()))
    task = bar.add_task("drawing", total=frames)
    animation, report = directory / "drive.webp", directory / "report.html"
    write_animation(outcome.recording, animation, lambda: bar.advance(task))
    write_pictures(outcome.recording, directory)
    write_report(outcome, animation, report)
    pictures, logs = directory / "overlay_*.png", directory / "logs"
    return [("report", report), ("animation", animation), ("pictures", pictures), ("logs", logs)]


def _print(outcome: Outcome, console: Console) -> None:
    console.print(outcome.footage.description, markup=False, highlight=False)
    latencies = {STAGE_TEXTS[stage]: summary for stage, summary in outcome.recording.latencies().items()}
    console.print(_frame_table(outcome), latency_table(latencies), sep="\n")
    if outcome.scores:
        console.print(class_table(outcome.recording.labels, outcome.scores.mean_iou, outcome.scores.panoptic_quality))
        if outcome.scores.tracking:
            console.print(tracking_text(outcome.scores.tracking))
        if outcome.scores.boxes:
            console.print(boxes_text(outcome.scores.boxes))
        if not outcome.scores.exact_instances:
            console.print(NO_INSTANCES)
        truth = outcome.footage.truth
        if truth and (ignored := describe_ignored(truth.ignored, len(outcome.recording.labels))):
            console.print(ignored)
    else:
        console.print(f"Not compared with labels: {escape(outcome.why_no_scores)}.")


def _frame_table(outcome: Outcome) -> Table:
    count = outcome.count
    table = number_table("frames", "number")
    table.add_row("sent by the camera", str(count.sent))
    table.add_row(f"received by the listener ({outcome.recording.rate_hz():.1f} per second)", str(count.received))
    table.add_row("dropped", str(sum(count.dropped.values())))
    for reason, number in count.dropped.items():
        table.add_row(f"  {reason.replace('_', ' ')}", str(number))
    return table
