"""Two cameras at twice the rate that this machine can serve, bad frames among the good ones, for as long as it is told.

`make soak` (20 minutes; DURATION=120 for two). Writes DIRECTORY/soak.svg and soak.json. Exit code 1 if a frame is
unaccounted for, a mask is too old, or something grows.
"""

import argparse
import json
import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from curve import draw
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from verdict import Check, Sample, judge

from bisenetformer_ros.demo.processes import Processes, private_environment

CAMERAS = ("front", "rear")
HEIGHT, WIDTH = 360, 480
CALIBRATION_S = 20.0
FLOOD_HZ = 30.0
REST_S = 4.0
"""Until every frame is through and the diagnostics, once a second, have said so."""
HERE = Path(__file__).parent


class Run:
    """The processes of one run, and what they have said so far."""

    def __init__(self, processes: Processes, console: Console) -> None:
        self._processes, self._console = processes, console
        self.samples: list[Sample] = []
        self.sent: dict[str, dict[str, int]] = {}

    def start(self, model: str) -> None:
        parameters = [f"model:={model}", f"cameras:=[{','.join(CAMERAS)}]", "diagnostic_updater.period:=0.5"]
        arguments = [argument for parameter in parameters for argument in ("-p", parameter)]
        self._processes.start("node", "bisenetformer_ros.ros.segmentation_node", ["--ros-args", *arguments])
        self._processes.start("monitor", "soak_monitor", [str(self._processes.pid("node")), *CAMERAS])

    @contextmanager
    def cameras(self, rate_hz: float, run: str) -> Iterator[None]:
        names = [f"{camera}_{run}" for camera in CAMERAS]
        for name, camera in zip(names, CAMERAS, strict=True):
            arguments = [f"/{camera}/image_raw", f"{rate_hz:.3f}", str(HEIGHT), str(WIDTH)]
            self._processes.start(name, "soak_camera", arguments)
        yield
        self._processes.stop(*names)

    def listen(self, seconds: float, what: str, until: Callable[[], bool] = lambda: False) -> None:
        """Takes in what the processes say, for a time. Raises RuntimeError if one of them has ended."""
        deadline = time.monotonic() + seconds
        with Progress(TextColumn("{task.description}"), TimeElapsedColumn(), console=self._console) as progress:
            task = progress.add_task(what)
            while time.monotonic() < deadline and not until():
                self._take()
                progress.update(task, description=f"{what} {self._state()}")
                if self._processes.exit_code("node") is not None:
                    raise RuntimeError(f"the node has ended:\n{self._processes.log_tail('node')}")

    def segmented(self) -> float:
        """Frames of all cameras so far."""
        counts = self.samples[-1]["counts"].values() if self.samples else []
        return sum(values["total_segmented_frames"] for values in counts)

    def _take(self) -> None:
        try:
            event = self._processes.events.get(timeout=0.2)
        except queue.Empty:
            return
        if event["event"] == "sample":
            self.samples.append(event)
        elif event["event"] == "sent":
            self.sent[event["topic"]] = event

    def _state(self) -> str:
        if not self.samples:
            return ""
        return f"{self.segmented():.0f} segmented, {self.samples[-1]['resident_mb']:.0f} MB"


def soak(model: str, duration_s: float, folder: Path, console: Console) -> tuple[list[Check], list[Sample], float]:
    """The checks, the samples, and the rate of each camera in Hz."""
    environment = private_environment(folder)
    paths = [str(HERE), str(HERE.parent / "helpers"), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = ":".join(paths)
    with Processes(folder, environment) as processes:
        run = Run(processes, console)
        run.start(model)
        with run.cameras(FLOOD_HZ, "flood"):
            run.listen(300, "loading", until=lambda: run.segmented() > 10)
            before, begin = run.segmented(), time.monotonic()
            run.listen(CALIBRATION_S, "what can be served:")
            capacity = (run.segmented() - before) / (time.monotonic() - begin)
        run.listen(REST_S, "")
        already = {topic: dict(values) for topic, values in run.sent.items()}
        run.samples.clear()
        rate = 2 * capacity / len(CAMERAS)
        with run.cameras(rate, "soak"):
            run.listen(duration_s, f"{capacity:.1f} Hz can be served, {2 * capacity:.1f} Hz are sent:")
        run.listen(REST_S, "coming to rest:")
        sent = {topic: {"sent": values["sent"] + already[topic]["sent"]} for topic, values in run.sent.items()}
        return judge(run.samples, sent, 1000 / rate), run.samples, rate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--duration", type=float, default=1200.0, help="seconds (default: %(default)s)")
    parser.add_argument("--model", default="bisenetformer-nano-camvid", help="weights (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/soak"), help="default: %(default)s")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    checks, samples, rate = soak(args.model, args.duration, args.out, console)
    minutes = args.duration / 60
    load = f"{len(CAMERAS)} cameras of {WIDTH}x{HEIGHT} at {rate:.1f} Hz each, twice what can be served"
    draw(args.out / "soak.svg", samples, f"{load}, {minutes:g} minutes")
    report = {"rate_hz": rate, "checks": [vars(check) for check in checks], "samples": samples}
    (args.out / "soak.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    for check in checks:
        console.print(f"[{'green' if check.passed else 'red'}]{'passed' if check.passed else 'FAILED'}[/] {check.name}")
        console.print(f"       {check.figures}", highlight=False)
    console.print(f"curve: {args.out / 'soak.svg'}")
    return 0 if all(check.passed for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
