"""`bisenetformer demo`: a drive through the node, in three processes, with numbers and pictures at the end."""

import argparse
import json
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.evaluation.demo_outcome import Outcome
from bisenetformer_ros.evaluation.replay_scores import Scores, score
from bisenetformer_ros.inference.engines import ENGINES, TASKS
from bisenetformer_ros.replay import footage as sources
from bisenetformer_ros.replay.recording import Recording
from bisenetformer_ros.replay.session import DemoError, DemoSession, DemoSettings
from bisenetformer_ros.reports.demo import write_report
from bisenetformer_ros.reports.demo_pictures import ANIMATION_FRAMES, write_animation, write_pictures
from bisenetformer_ros.reports.demo_summary import print_summary
from bisenetformer_ros.resources import SHIPPED_MODEL, config_file

DESCRIPTION = (
    "Play a drive as a ROS 2 camera in one process, segment it with the node in another, listen in a third; then show "
    "what arrived, how late and how good, and write pictures and a report. docs/demo.md explains the sources."
)
EXAMPLE = """bisenetformer demo
bisenetformer demo --source drive:7,9 --rate 10
bisenetformer demo --source ~/camvid/test --model my.safetensors --json result.json"""

DONE, FAILED = 0, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        default=sources.DRIVE,
        help="drive or drive:SEED,… (generated, the default), a folder of images or a pattern like 'DIR/cam0_*.jpg', a "
        "video, a rosbag2 (directory, .mcap or .db3), or webcam:N",
    )
    parser.add_argument("--topic", help="image topic, for a rosbag2 with several")
    parser.add_argument("--labels", type=Path, help="folder with a label image NAME.png for every image of the source")
    parser.add_argument("--model", default=SHIPPED_MODEL, help="weights or a shipped model (%(default)s)")
    parser.add_argument("--task", default="panoptic", choices=TASKS, help="default: %(default)s")
    parser.add_argument("--engine", default="auto", choices=ENGINES, help="of the node (default: %(default)s)")
    parser.add_argument("--rate", type=_positive(float), default=5.0, help="frames per second (%(default)s)")
    parser.add_argument("--frames", type=_positive(int), default=180, help="at most so many frames (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder of the results (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured to FILE as well")


def run(args: argparse.Namespace) -> int:
    # SIGTERM shall end the demo as Ctrl-C does. SIGINT may be ignored from a shell's background, and then would be in
    # the other processes too, which are stopped by it.
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _demonstrate(args)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _demonstrate(args: argparse.Namespace) -> int:
    console = Console(stderr=True)
    settings = DemoSettings(
        args.source, args.topic, args.rate, args.frames, _find_model(args.model), args.task, args.engine
    )
    logs = args.out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bisenetformer_demo_") as scratch, _progress(console) as progress:
        footage = _prepare(settings, args.labels, _subdirectory(scratch, "footage"), progress)
        player = replace(settings, source=footage.path).player
        session = DemoSession(player, settings.node_parameters, _subdirectory(scratch, "recording"), logs)
        try:
            _play(session, progress)
        except DemoError as failure:
            progress.stop()
            console.print("failed:", style="bold red", end=" ")
            console.print(str(failure), markup=False, highlight=False)
            return FAILED
        scores, why_none = _score(session.recording, footage, progress)
        command = shlex.join(["bisenetformer", *sys.argv[1:]])
        outcome = Outcome(settings, footage, session.recording, scores, why_none, command)
        files = _write_files(outcome, args.out, progress)
    if args.json:
        args.json.write_text(json.dumps(outcome.to_dict(), indent=2) + "\n", encoding="utf-8")
    print_summary(outcome, Console())
    print("\n".join(f"{what}: {path}" for what, path in files))
    return FAILED if outcome.recording.strays() else DONE


def _find_model(model: str) -> str:
    try:
        return str(config_file("models", model, ".safetensors").resolve())
    except FileNotFoundError as error:
        raise ConfigError(f"model {error}") from None


def _subdirectory(parent: str, name: str) -> Path:
    path = Path(parent, name)
    path.mkdir()
    return path


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description:<13}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
    )
    return Progress(*columns, console=console)


def _prepare(settings: DemoSettings, labels: Path | None, directory: Path, progress: Progress) -> sources.Footage:
    """Renders the drive before it is played: the camera could not keep its rate otherwise."""
    seeds = sources.drive_seeds(settings.source)
    if seeds is None:
        return sources.find_footage(settings.source, labels)
    task = progress.add_task("rendering", total=settings.num_frames, status="")
    step = lambda: progress.advance(task)  # noqa: E731
    return sources.render_drives(seeds, settings.num_frames, settings.rate_hz, directory, step)


def _play(session: DemoSession, progress: Progress) -> None:
    task = progress.add_task("starting", total=None, status="")

    def show(recording: Recording) -> None:
        if not recording.sent:
            return
        count, age = recording.count(), recording.latencies()["age"]
        status = f"{count.received} back, {recording.dropped_by_node()} dropped, {recording.rate_hz():.1f} Hz"
        status += f", {age.p50_ms:.0f} ms" if age.count else ""
        total = recording.opened["frames"]
        progress.update(task, description="playing", total=total, completed=count.sent, status=status)

    session.run(show)


def _score(recording: Recording, footage: sources.Footage, progress: Progress) -> tuple[Scores | None, str]:
    total = len(recording.outputs["mask"]) if footage.truth else 0
    task = progress.add_task("comparing", total=total, visible=total > 0, status="")
    return score(recording, footage.truth, lambda: progress.advance(task))


def _write_files(outcome: Outcome, directory: Path, progress: Progress) -> list[tuple[str, Path]]:
    """Returns (what it is, where it lies)."""
    frames = min(ANIMATION_FRAMES, len(outcome.recording.complete()))
    task = progress.add_task("drawing", total=frames, status="")
    animation, report = directory / "drive.webp", directory / "report.html"
    write_animation(outcome.recording, animation, lambda: progress.advance(task))
    write_pictures(outcome.recording, directory)
    write_report(outcome, animation, report)
    pictures, logs = directory / "overlay_*.png", directory / "logs"
    return [("report", report), ("animation", animation), ("pictures", pictures), ("logs", logs)]


def _positive(kind: type) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
        return value

    parse.__name__ = kind.__name__  # argparse names it when the text is no number at all
    return parse
