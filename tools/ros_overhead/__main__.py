"""Overhead of ROS: from the camera's publish to every image output in a subscriber, without the inference.

Camera, node and listener are three processes on this machine. The node is the real one with an engine that sleeps
instead of computing, so that inference does not compete for the CPU. A second run with a camera twice as fast as the
engine measures the throughput. Exit code 1 if the 95th percentile exceeds the limit, 2 if a run fails.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measurement import Measurement, measure
from rich.console import Console
from tables import tables

from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.replay.processes import Processes, private_environment
from bisenetformer_ros.ros.shared_memory import VARIABLE, profile_for

HERE = Path(__file__).parent
EXAMPLE = "example: python tools/ros_overhead --frames 600 --rate 8 --json out/ros_overhead.json"


def main() -> int:
    args = _parse()
    console = Console()
    with TemporaryDirectory(prefix="bisenetformer_overhead_") as folder:
        try:
            measurement = _measure(args, args.rate, Path(folder), console)
            possible = 1e3 / args.inference_ms
            throughput = _measure(args, 2 * possible, Path(folder), console).frames_per_second
        except BiSeNetFormerError as error:
            print(f"ros_overhead: {error}", file=sys.stderr)
            return 2
    console.print(
        f"{args.height}x{args.width} rgb8 at {args.rate:g} Hz, inference of {args.inference_ms:g} ms, all image "
        f"outputs; {len(measurement.frames)} of {args.frames} frames arrived on all of them",
        style="bold",
    )
    console.print(*tables(measurement))
    console.print(
        f"camera at {2 * possible:.0f} Hz: {throughput:.1f} complete frames/s of {possible:.1f} of the engine"
    )
    p95_ms = measurement.overhead_p95_ms
    if args.json:
        figures = {"p95_ms": p95_ms, "frames_per_second": throughput, **measurement.as_json()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    verdict = "within" if p95_ms <= args.limit_ms else "[red]above[/]"
    console.print(f"decode + publish + transport: 95th percentile {p95_ms:.1f} ms, {verdict} {args.limit_ms:g} ms")
    return 0 if p95_ms <= args.limit_ms else 1


def _measure(args: argparse.Namespace, rate: float, folder: Path, console: Console) -> Measurement:
    environment = private_environment(folder)
    environment[VARIABLE] = str(profile_for(environment))  # for the camera; the node would use it by itself
    environment["PYTHONPATH"] = f"{HERE}:{environment.get('PYTHONPATH', '')}"
    with Processes(folder, environment) as processes:
        return measure(processes, (args.height, args.width), rate, args.frames, args.inference_ms, console)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ros_overhead",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--height", type=int, default=1024, help="height of the frames in pixels (default: %(default)s)"
    )
    parser.add_argument("--width", type=int, default=2048, help="width of the frames in pixels (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, help="frames per second (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=300, help="number of frames (default: %(default)s)")
    parser.add_argument(
        "--inference-ms", type=float, default=50.0, help="sleep of the engine per frame in ms (default: %(default)s)"
    )
    parser.add_argument(
        "--limit-ms", type=float, default=20.0, help="limit of the 95th percentile in ms (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every frame to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
