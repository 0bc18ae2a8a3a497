"""A soak run: node, monitor and cameras, from loading the model to the last frame."""

import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from verdict import Check, Sample, judge

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.replay.processes import Event, Processes, private_environment

CAMERAS = ("front", "rear")
HEIGHT, WIDTH = 360, 480
LOADING_S = 300.0
CALIBRATION_S = 20.0
FLOOD_HZ = 30.0
REST_S = 4.0
"""Time for the last frames to be processed and reported in the diagnostics, twice a second."""
HERE = Path(__file__).parent


def soak(model: str, duration_s: float, folder: Path, console: Console) -> tuple[list[Check], list[Sample], float]:
    """Run the soak test.

    Args:
        model: Weights.
        duration_s: Duration, without loading and calibration.
        folder: For the logs of the processes.
        console: For the progress display.

    Returns:
        The checks, the samples, and the rate of each camera in Hz.

    Raises:
        InputError: A process ended early, or no frame was segmented.
    """
    environment = private_environment(folder)
    paths = [str(HERE), str(HERE.parent / "helpers"), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = ":".join(paths)
    with Processes(folder, environment) as processes:
        run = _Run(processes, console)
        run.start_node(model)
        with run.cameras(FLOOD_HZ, "flood"):
            run.listen(LOADING_S, "loading the model", until=lambda: run.segmented() > 10)
            if run.segmented() <= 10:
                raise InputError(f"no frames segmented within {LOADING_S:g} s; {run.logs()}")
            before, begin = run.segmented(), time.monotonic()
            run.listen(CALIBRATION_S, "measuring the capacity")
            capacity = (run.segmented() - before) / (time.monotonic() - begin)
        run.listen(REST_S, "waiting for the last frames")
        del run.samples[:-1]  # the last one is the baseline of the counts
        rate = 2 * capacity / len(CAMERAS)
        with run.cameras(rate, "soak"):
            run.listen(duration_s, f"capacity {capacity:.1f} Hz, load {2 * capacity:.1f} Hz")
        run.listen(REST_S, "waiting for the last frames")
        return judge(run.samples, run.sent, 1000 / rate), run.samples, rate


class _Run:
    """The processes of a run and their events. sent: topic → frames sent by the cameras started last."""

    def __init__(self, processes: Processes, console: Console) -> None:
        self._processes, self._console = processes, console
        self._running: set[str] = set()
        self.samples: list[Sample] = []
        self.sent: dict[str, int] = {}

    def start_node(self, model: str) -> None:
        parameters = [f"model:={model}", f"cameras:=[{','.join(CAMERAS)}]", "diagnostic_updater.period:=0.5"]
        arguments = [argument for parameter in parameters for argument in ("-p", parameter)]
        self._processes.start("node", "bisenetformer_ros.ros.node.segmentation_node", ["--ros-args", *arguments])
        self._processes.start("monitor", "soak_monitor", [str(self._processes.pid("node")), *CAMERAS])
        self._running |= {"node", "monitor"}

    @contextmanager
    def cameras(self, rate_hz: float, run: str) -> Iterator[None]:
        names = [f"{camera}_{run}" for camera in CAMERAS]
        self.sent.clear()
        for name, camera in zip(names, CAMERAS, strict=True):
            arguments = [f"/{camera}/image_raw", f"{rate_hz:.3f}", str(HEIGHT), str(WIDTH)]
            self._processes.start(name, "soak_camera", arguments)
        self._running |= set(names)
        yield
        self._running -= set(names)
        self._processes.stop(*names)

    def listen(self, seconds: float, what: str, until: Callable[[], bool] = lambda: False) -> None:
        """Collect events for `seconds` or until `until` is true. Raises InputError if a process has ended."""
        begin = now = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=seconds)
            while now - begin < seconds and not until():
                self._take()
                now = time.monotonic()
                progress.update(task, completed=now - begin, description=f"{what}: {self._state()}")
                for name in self._running:
                    if self._processes.exit_code(name) is not None:
                        raise InputError(f"the {name} ended early; {self.logs()}")

    def segmented(self) -> float:
        """Frames segmented so far, over all cameras."""
        counts = self.samples[-1]["counts"].values() if self.samples else []
        return sum(values["total_segmented_frames"] for values in counts)

    def logs(self) -> str:
        logs = (f"{name}: {self._processes.log_tail(name)}" for name in sorted(self._running))
        return "\n".join(("output of the processes:", *logs))

    def _take(self) -> None:
        try:
            event: Event = self._processes.events.get(timeout=0.2)
        except queue.Empty:
            return
        if event["event"] == "sample":
            self.samples.append(event)
        elif event["event"] == "sent":
            self.sent[event["topic"]] = event["sent"]

    def _state(self) -> str:
        if not self.samples:
            return "nothing yet"
        return f"{self.segmented():.0f} frames segmented, {self.samples[-1]['resident_mb']:.0f} MB"
