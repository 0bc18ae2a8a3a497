"""From the events of camera, node and listener to what each frame has cost."""

import queue
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from listener import IMAGES
from rich.table import Table

from bisenetformer_ros.demo.processes import Processes
from bisenetformer_ros.errors import InputError

SILENCE_S = 30.0
STAGES = ("transport", "decode", "publish")


@dataclass(frozen=True)
class Frame:
    """Milliseconds. overhead: stamp to the last image in the listener, without the inference. ages: the same per topic.

    stages: camera to node; decode; drawing, building and publishing all outputs; last publish to the listener.
    """

    overhead: float
    ages: dict[str, float]
    stages: dict[str, float]


def collect(processes: Processes, inference_ms: float) -> list[Frame]:
    """Waits for the camera to finish. Raises InputError if a process ends or nothing is heard for SILENCE_S."""
    ages: dict[int, dict[str, float]] = defaultdict(dict)
    stages: dict[int, dict[str, float]] = {}
    while True:
        try:
            event = processes.events.get(timeout=SILENCE_S)
        except queue.Empty:
            logs = "\n".join(processes.log_tail(name) for name in processes.names())
            raise InputError(f"nothing was heard for {SILENCE_S:g} s; the processes said:\n{logs}") from None
        if event["event"] == "finished":
            complete = sorted(stamp for stamp in stages if ages[stamp].keys() == set(IMAGES))
            return [_frame(ages[stamp], stages[stamp], inference_ms) for stamp in complete]
        if event["event"] == "image":
            ages[event["stamp"]][event["topic"]] = event["age_ms"]
        else:
            stages[event["stamp"]] = event["stages"]


def _frame(ages: dict[str, float], stages: dict[str, float], inference_ms: float) -> Frame:
    slept = stages["total"] - stages["decode"] - stages["publish"]  # sleeping takes a little longer than asked for
    net = {topic: age - slept for topic, age in ages.items()}
    parts = {stage: stages[stage] for stage in STAGES}
    parts["to listener"] = max(ages.values()) - stages["transport"] - stages["total"]
    return Frame(max(net.values()), net, parts)


def tables(frames: list[Frame]) -> tuple[Table, Table, float]:
    """Per output, per stage, and the 95th percentile of the overhead."""
    if not frames:
        raise InputError("no frame arrived on every output")
    overview = _table("from the camera's publish to the listener, without inference", "output")
    for topic in IMAGES:
        _row(overview, topic, [frame.ages[topic] for frame in frames])
    overhead = [frame.overhead for frame in frames]
    _row(overview, "all of them", overhead)
    stages = _table("where it goes", "stage")
    for stage in frames[0].stages:
        _row(stages, stage, [frame.stages[stage] for frame in frames])
    return overview, stages, float(np.percentile(overhead, 95))


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for name in ("p50 ms", "p95 ms", "max ms"):
        table.add_column(name, justify="right")
    return table


def _row(table: Table, name: str, values: list[float]) -> None:
    p50, p95 = np.percentile(values, (50, 95))
    table.add_row(name, f"{p50:.1f}", f"{p95:.1f}", f"{max(values):.1f}")
