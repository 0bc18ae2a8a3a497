"""The run: what camera, node and listener say of every frame, and what each frame has cost."""

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
class Frame:
    """Milliseconds since the stamp, which the camera sets right before it publishes; the inference is left out.

    arrived: topic → its image is whole in the listener's middleware. read: topic → the listener's Python has it.
    stages: what the time until the last arrival consists of.
    """

    arrived: dict[str, float]
    read: dict[str, float]
    stages: dict[str, float]

    @property
    def overhead(self) -> float:
        return max(self.arrived.values())


@dataclass(frozen=True)
class Measurement:
    """pieces: topic → step → ms of that step by itself. cpu_ms: process → processor time per frame."""

    frames: list[Frame]
    pieces: dict[str, dict[str, float]]
    cpu_ms: dict[str, float]

    @property
    def overhead_p95_ms(self) -> float:
        return float(np.percentile([frame.overhead for frame in self.frames], 95))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    processes: Processes, size: tuple[int, int], rate: float, frames: int, inference_ms: float, console: Console
) -> Measurement:
    """size: height, width. Raises InputError if nothing is heard for SILENCE_S, or no frame arrived on every topic."""
    shape = [str(side) for side in size]
    run = _Run(processes, console)
    processes.start("pieces", "pieces", shape)
    run.listen("each step by itself", "piece", len(IMAGES))
    processes.start("node", "sleeping_node", [*shape, str(inference_ms), "--ros-args", "--log-level", "warn"])
    processes.start("listener", "listener", [NODE])
    processes.start("camera", "camera", [*shape, str(rate), str(WARM_UP_FRAMES + frames)])
    run.listen("warming up", "latency", WARM_UP_FRAMES)
    begin = {name: _cpu_ms(processes.pid(name)) for name in ("camera", "node", "listener")}
    run.listen("frames", "latency", frames)
    cpu_ms = {name: (_cpu_ms(processes.pid(name)) - ms) / frames for name, ms in begin.items()}
    run.listen("the last images", "finished", 1)
    complete = sorted(stamp for stamp in run.stages if run.images[stamp].keys() == set(IMAGES))
    measured = [_frame(run.images[stamp], run.stages[stamp]) for stamp in complete if stamp > run.warm]
    if not measured:
        raise InputError(f"no frame arrived on every output; the processes said:\n{run.logs()}")
    return Measurement(measured, run.pieces, cpu_ms)


class _Run:
    """What was heard so far. images: stamp → topic → event. stages: stamp → the node's own. warm: the stamp before."""

    def __init__(self, processes: Processes, console: Console) -> None:
        self._processes = processes
        self._console = console
        self.pieces: dict[str, dict[str, float]] = {}
        self.images: dict[int, dict[str, Event]] = defaultdict(dict)
        self.stages: dict[int, dict[str, float]] = {}
        self.warm = 0

    def listen(self, what: str, kind: str, count: int) -> None:
        """Until `count` events of that kind have come, or the camera has finished."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=count)
            while not progress.finished:
                event = self._next()
                self._take(event)
                if event["event"] == kind:
                    progress.advance(task)
                elif event["event"] == "finished":
                    break
        if what == "warming up":
            self.warm = max(self.stages, default=0)

    def logs(self) -> str:
        return "\n".join(f"{name}: {self._processes.log_tail(name)}" for name in self._processes.names())

    def _next(self) -> Event:
        try:
            return self._processes.events.get(timeout=SILENCE_S)
        except queue.Empty:
            raise InputError(f"nothing was heard for {SILENCE_S:g} s; the processes said:\n{self.logs()}") from None

    def _take(self, event: Event) -> None:
        if event["event"] == "piece":
            self.pieces[event["topic"]] = event["steps"]
        elif event["event"] == "image":
            self.images[event["stamp"]][event["topic"]] = event
        elif event["event"] == "latency":
            self.stages[event["stamp"]] = event["stages"]


def _frame(images: dict[str, Event], stages: dict[str, float]) -> Frame:
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
    return Frame(arrived, {topic: images[topic]["read_ms"] - inference for topic in IMAGES}, parts)


def _cpu_ms(pid: int) -> float:
    """Processor time of a process so far, of all its threads."""
    user, system = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[11:13]
    return 1e3 * (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
