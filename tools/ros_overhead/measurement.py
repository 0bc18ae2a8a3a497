"""The measurement: runs camera, node and listener, and computes the overhead of every frame."""

import os
import queue
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from listener import IMAGES
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.replay.processes import Event, Processes

NODE = "/bisenetformer"
SILENCE_S = 30.0
WARM_UP_FRAMES = 10


@dataclass(frozen=True)
class FrameOverhead:
    """Milliseconds since the stamp, which the camera sets right before publishing, without the inference.

    Attributes:
        arrived: Topic → arrival of its image in the listener's middleware.
        read: Topic → arrival of its image in the listener's callback.
        stages: Stage → its share of the time to the last arrival.
        completed_s: Time of the last arrival in a callback, in seconds since the epoch.
    """

    arrived: dict[str, float]
    read: dict[str, float]
    stages: dict[str, float]
    completed_s: float

    @property
    def overhead(self) -> float:
        """Time to the arrival of the last output."""
        return max(self.arrived.values())


@dataclass(frozen=True)
class Measurement:
    """pieces: topic → step → ms of that step alone. cpu_ms: process → CPU time per frame."""

    frames: list[FrameOverhead]
    pieces: dict[str, dict[str, float]]
    cpu_ms: dict[str, float]

    @property
    def overhead_p95_ms(self) -> float:
        return float(np.percentile([frame.overhead for frame in self.frames], 95))

    @property
    def frames_per_second(self) -> float:
        """Rate of the frames that are complete in the listener's callbacks."""
        times = [frame.completed_s for frame in self.frames]
        return (len(times) - 1) / (max(times) - min(times)) if len(times) > 1 else 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    processes: Processes, size: tuple[int, int], rate: float, frames: int, inference_ms: float, console: Console
) -> Measurement:
    """Run the measurement.

    Args:
        processes: Starts the processes.
        size: (height, width) of the frames.
        rate: Frames per second.
        frames: Number of frames.
        inference_ms: Sleep of the engine per frame.
        console: For the progress display.

    Raises:
        InputError: No events for SILENCE_S, or no frame arrived on every topic.
    """
    shape = [str(side) for side in size]
    run = _Run(processes, console)
    processes.start("pieces", "pieces", shape)
    run.listen("each step alone", "piece", len(IMAGES))
    processes.start("node", "sleeping_node", [*shape, str(inference_ms), "--ros-args", "--log-level", "warn"])
    processes.start("listener", "listener", [NODE])
    processes.start("camera", "camera", [*shape, str(rate), str(WARM_UP_FRAMES + frames), "reliable"])
    run.listen("warming up", "latency", WARM_UP_FRAMES)
    begin = {name: _cpu_ms(processes.pid(name)) for name in ("camera", "node", "listener")}
    run.listen("frames", "latency", frames)
    cpu_ms = {name: (_cpu_ms(processes.pid(name)) - ms) / frames for name, ms in begin.items()}
    run.listen("the last images", "finished", 1)
    complete = sorted(stamp for stamp in run.stages if run.images[stamp].keys() == set(IMAGES))
    measured = [_frame(stamp, run.images[stamp], run.stages[stamp]) for stamp in complete if stamp > run.warm]
    if not measured:
        raise InputError(f"no frame arrived on every output; output of the processes:\n{_logs(processes)}")
    return Measurement(measured, run.pieces, cpu_ms)


def next_event(processes: Processes, silence_s: float = SILENCE_S) -> Event:
    """Return the next event. Raises InputError, with the output of the processes, if none comes for `silence_s`."""
    try:
        return processes.events.get(timeout=silence_s)
    except queue.Empty:
        raise InputError(f"no events for {silence_s:g} s; output of the processes:\n{_logs(processes)}") from None


def _logs(processes: Processes) -> str:
    return "\n".join(f"{name}: {processes.log_tail(name)}" for name in processes.names())


class _Run:
    """The events so far. images: stamp → topic → event. stages: stamp → stage → ms. warm: last stamp of the warm-up."""

    def __init__(self, processes: Processes, console: Console) -> None:
        self._processes = processes
        self._console = console
        self.pieces: dict[str, dict[str, float]] = {}
        self.images: dict[int, dict[str, Event]] = defaultdict(dict)
        self.stages: dict[int, dict[str, float]] = {}
        self.warm = 0
        self.camera_finished = False

    def listen(self, what: str, kind: str, count: int) -> None:
        """Collect events until `count` of that kind have arrived or the camera has finished."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=count)
            while not (progress.finished or self.camera_finished):
                event = next_event(self._processes)
                self._take(event)
                if event["event"] == kind:
                    progress.advance(task)
        if what == "warming up":
            self.warm = max(self.stages, default=0)

    def _take(self, event: Event) -> None:
        if event["event"] == "piece":
            self.pieces[event["topic"]] = event["steps"]
        elif event["event"] == "image":
            self.images[event["stamp"]][event["topic"]] = event
        elif event["event"] == "finished":
            self.camera_finished = True
        elif event["event"] == "latency":
            self.stages[event["stamp"]] = event["stages"]


def _frame(stamp: int, images: dict[str, Event], stages: dict[str, float]) -> FrameOverhead:
    inference = stages["inference"]
    arrived = {topic: images[topic]["arrived_ms"] - inference for topic in IMAGES}
    published = stages["transport"] + stages["total"] - inference
    handed_over = stages["total"] - stages["decode"] - inference - stages["publish"]
    parts = {
        "camera to node": stages["transport"],
        "hand over to the worker, decode": handed_over + stages["decode"],
        "draw and publish": stages["publish"],
        "last output to listener": max(arrived.values()) - published,
    }
    ages_ms = {topic: images[topic]["read_ms"] for topic in IMAGES}
    completed_s = 1e-9 * stamp + 1e-3 * max(ages_ms.values())
    return FrameOverhead(arrived, {topic: age - inference for topic, age in ages_ms.items()}, parts, completed_s)


def _cpu_ms(pid: int) -> float:
    """CPU time of a process so far, over all its threads."""
    user, system = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[11:13]
    return 1e3 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
