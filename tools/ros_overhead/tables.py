"""A measurement as tables for the terminal."""

from collections.abc import Iterator

import numpy as np
from listener import IMAGES
from measurement import Measurement
from pieces import STEPS
from rich.table import Table

PERCENTILES = (50, 95, 99)


def tables(measurement: Measurement) -> Iterator[Table]:
    """Yield the tables: per output, per stage, and per step of building and publishing."""
    frames = measurement.frames
    outputs = _table("from the camera's publish to the listener, ms, without inference", "output")
    for topic in IMAGES:
        _row(outputs, topic, [frame.arrived[topic] for frame in frames])
    outputs.add_section()
    _row(outputs, "all of them", [frame.overhead for frame in frames])
    _row(outputs, "all, in the callback of a Python listener", [max(frame.read.values()) for frame in frames])
    yield outputs
    stages = _table("time by stage, ms", "stage")
    for stage in frames[0].stages:
        _row(stages, stage, [frame.stages[stage] for frame in frames])
    yield stages
    yield _pieces(measurement)


def _pieces(measurement: Measurement) -> Table:
    """Each step of building and publishing alone; the rest is the middleware."""
    table = Table(title="steps of drawing, publishing and reading, ms", title_justify="left")
    table.add_column("output")
    for step in STEPS:
        table.add_column(step, justify="right")
    for topic in IMAGES:
        table.add_row(topic, *(f"{measurement.pieces[topic][step]:.1f}" for step in STEPS))
    sums = {step: sum(measurement.pieces[topic][step] for topic in IMAGES) for step in STEPS}
    table.add_section()
    table.add_row("all of them", *(f"{sums[step]:.1f}" for step in STEPS))
    publish = float(np.median([frame.stages["draw and publish"] for frame in measurement.frames]))
    middleware = publish - sums["draw"] - sums["serialize"]
    shares = ", ".join(
        f"{name} {100 * part / publish:.0f} %"
        for name, part in (("drawing", sums["draw"]), ("serializing", sums["serialize"]), ("DDS", middleware))
    )
    cpu = ", ".join(f"{name} {ms:.0f}" for name, ms in measurement.cpu_ms.items())
    table.caption = f"of draw and publish: {shares}\nCPU time per frame, ms: {cpu}"
    table.caption_justify = "left"
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for percentile in PERCENTILES:
        table.add_column(f"p{percentile}", justify="right")
    return table


def _row(table: Table, name: str, values: list[float]) -> None:
    table.add_row(name, *(f"{value:.1f}" for value in np.percentile(values, PERCENTILES)))
