"""What ROS costs: from the camera's publish to every image output in a listener, without the inference.

`python tools/ros_overhead`, or `make bench-ros`. Camera, node and listener are three processes on this machine; the
node is the real one, whose engine sleeps for as long as an inference would take, so that nothing else competes for the
processor. Exit code 1 if the 95th percentile is above the limit.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measurement import Frame, collect, tables
from rich.console import Console

from bisenetformer_ros.demo.processes import Processes, private_environment
from bisenetformer_ros.errors import BiSeNetFormerError

NODE = "/bisenetformer"
HERE = Path(__file__).parent
WARM_UP_FRAMES = 5


def main() -> int:
    args = _parse()
    console = Console()
    with TemporaryDirectory(prefix="bisenetformer_overhead_") as folder:
        try:
            frames = _measure(args, Path(folder))
        except BiSeNetFormerError as error:
            print(f"ros_overhead: {error}", file=sys.stderr)
            return 2
    overview, stages, p95_ms = tables(frames)
    console.print(
        f"{args.height}x{args.width} rgb8, {args.rate:g} Hz, {len(frames)} frames, all image outputs", style="bold"
    )
    console.print(overview, stages)
    if args.json:
        args.json.write_text(json.dumps({"p95_ms": p95_ms, "frames": [vars(f) for f in frames]}, indent=2) + "\n")
    console.print(f"95th percentile {p95_ms:.1f} ms, limit {args.limit_ms:g} ms")
    return 0 if p95_ms <= args.limit_ms else 1


def _measure(args: argparse.Namespace, folder: Path) -> list[Frame]:
    environment = private_environment(folder)
    environment["PYTHONPATH"] = f"{HERE}:{environment.get('PYTHONPATH', '')}"
    size = [str(args.height), str(args.width)]
    with Processes(folder, environment) as processes:
        processes.start("node", "sleeping_node", [*size, str(args.inference_ms), "--ros-args", "--log-level", "warn"])
        processes.start("listener", "listener", [NODE])
        processes.start("camera", "camera", [*size, str(args.rate), str(args.frames + WARM_UP_FRAMES)])
        return collect(processes, args.inference_ms)[WARM_UP_FRAMES:]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what ROS adds to the inference.")
    parser.add_argument("--height", type=int, default=1024, help="of the frames (default: %(default)s)")
    parser.add_argument("--width", type=int, default=2048, help="of the frames (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=4.0, help="frames per second (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--inference-ms", type=float, default=50.0, help="how long it sleeps (default: %(default)s)")
    parser.add_argument("--limit-ms", type=float, default=20.0, help="for the exit code (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every frame's figures to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
