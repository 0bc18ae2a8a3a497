"""`bisenetformer build-engine`: an exported graph to a TensorRT engine file, on the GPU that will run it."""

import argparse
import os
import sys
from concurrent.futures import wait
from pathlib import Path

from rich.progress import Progress, TaskID

from bisenetformer_ros.cli.arguments import positive_int
from bisenetformer_ros.cli.progress import progress
from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.in_thread import in_thread
from bisenetformer_ros.inference.engines.tensorrt.build import MAX_BATCH, PRECISIONS, build_engine
from bisenetformer_ros.inference.engines.tensorrt.engine import TensorRTEngine
from bisenetformer_ros.inference.engines.tensorrt.golden import GoldenCheck
from bisenetformer_ros.inference.engines.tensorrt.sidecar import Sidecar, sidecar_path
from bisenetformer_ros.inference.graph.cache import check_output

DESCRIPTION = (
    "Build a TensorRT engine for the GPU of this machine from a graph of `bisenetformer export`, and compare its "
    "results with ONNX Runtime's. This takes minutes. OUT.engine.json, written beside the engine, describes what it "
    "was built from, for and with; keep the two together."
)
EXAMPLE = """bisenetformer export bisenetformer-nano-camvid nano.onnx --size 480x640 --task panoptic --precision fp16
bisenetformer build-engine nano.onnx nano.engine --precision fp16 --timing-cache timings.cache
bisenetformer build-engine nano.onnx nano-dla.engine --dla-core 0"""

EXIT_INTERRUPTED = 130
CANCEL_WITHIN_S = 10.0
"""Grace period for TensorRT to end an interrupted build."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", type=Path, metavar="IN.onnx", help="graph of `bisenetformer export`")
    parser.add_argument("engine", type=Path, metavar="OUT.engine", help="file to write")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="auto", help="must be that of the graph (default: %(default)s)"
    )
    parser.add_argument(
        "--workspace-mib",
        type=positive_int,
        metavar="N",
        help="scratch memory for TensorRT, MiB (default: that of the GPU)",
    )
    parser.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="keep measurements that speed up the next build on this GPU"
    )
    parser.add_argument(
        "--device", default="auto", metavar="GPU", help="cuda:N, or auto: the first GPU (default: %(default)s)"
    )
    parser.add_argument(
        "--max-batch",
        type=positive_int,
        metavar="N",
        help="most frames per run, such as the number of cameras, of a graph exported with --dynamic-batch "
        f"(default: {MAX_BATCH}; 1 for other graphs)",
    )
    parser.add_argument(
        "--dla-core",
        type=int,
        choices=(0, 1),
        help="deep learning accelerator of a Jetson Orin that runs what it can of an fp16 graph, and the GPU the rest "
        "(default: the GPU runs everything)",
    )


def run(args: argparse.Namespace) -> int:
    for path in filter(None, (args.engine, args.timing_cache)):
        check_output(path)
    sidecar = _build(args)
    engine = args.engine
    print(f"wrote {engine}, {engine.stat().st_size / 1e6:.1f} MB, and {sidecar_path(engine).name}")
    print(f"for TensorRT {sidecar.platform.tensorrt} on {sidecar.platform.gpu}, {sidecar.graph.precision}")
    golden = _first_opening(engine, sidecar.graph.task, args.device)
    print(golden.finding)
    return 0 if golden.passed else 1


def _first_opening(engine: Path, task: str, device: str) -> GoldenCheck:
    """The comparison of the new engine with ONNX Runtime, made when it is opened for the first time."""
    try:
        return TensorRTEngine(engine, task, device).golden
    except EngineError:
        if golden := Sidecar.load(engine).golden:
            return golden
        raise


def _build(args: argparse.Namespace) -> Sidecar:
    """Build in a thread, so that Ctrl-C works meanwhile."""
    with progress() as bar:
        display = BuildDisplay(bar, f"building {args.engine.name}")
        options = (args.precision, args.workspace_mib, args.timing_cache, args.device, args.max_batch, args.dla_core)
        build = in_thread(lambda: build_engine(args.graph, args.engine, display, *options), "building")
        try:
            return build.result()
        except KeyboardInterrupt:
            display.cancelled = True
            wait([build], CANCEL_WITHIN_S)
            if build.done():
                raise
    # TensorRT 8.6 cannot be interrupted, and Python cannot finalize while it works.
    print("interrupted; no engine was written", file=sys.stderr, flush=True)
    os._exit(EXIT_INTERRUPTED)


class BuildDisplay:
    """Shows the phases of a build as nested bars; if TensorRT reports none, a pulsing bar."""

    def __init__(self, progress: Progress, title: str) -> None:
        self.cancelled = False
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._depths: dict[str | None, int] = {None: 0}
        progress.add_task(title, total=None)

    def phase_started(self, name: str, parent: str | None, num_steps: int) -> None:
        self._depths[name] = self._depths.get(parent, 0) + 1
        self._tasks[name] = self._progress.add_task("  " * self._depths[name] + name, total=num_steps)

    def step_done(self, name: str, step: int) -> None:
        self._progress.update(self._tasks[name], completed=step + 1)

    def phase_finished(self, name: str) -> None:
        self._progress.remove_task(self._tasks.pop(name))
