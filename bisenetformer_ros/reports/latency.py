"""Latency by stage, for the charts of the reports."""

from collections.abc import Iterable, Mapping

from bisenetformer_ros.messages import FRAME_STAGES
from bisenetformer_ros.metrics.latency import LatencySummary
from bisenetformer_ros.replay.recording import Recording
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.charts import Bar, bar_chart
from bisenetformer_ros.reports.page import Html

STAGE_TEXTS = {
    **dict(zip(FRAME_STAGES, FRAME_STAGES, strict=True)),
    "transport": "camera to node",
    "waiting": "waiting for the worker",
    "total": "total",
    "age": "camera to listener",
}
NODE_STAGES = ("transport", "waiting", *FRAME_STAGES[1:])
"""Stages of `node_latency`, in order."""
BARS_NOTE = "Bar: median; whisker: 99 %; numbers: p50 · p95 · p99."
_SERIES = {name: number for number, name in enumerate(FRAME_STAGES)} | {"waiting": 6, "total": 7, "age": 7}
"""Stage → number of its colour."""


def latency_bars(latencies: Mapping[str, LatencySummary]) -> Html:
    """Return a bar chart of the stages that were measured."""
    return bar_chart(
        [
            Bar(
                STAGE_TEXTS[stage],
                summary.p50_ms,
                summary.p99_ms,
                f"{summary.p50_ms:.1f} · {summary.p95_ms:.1f} · {summary.p99_ms:.1f} ms",
                _SERIES[stage],
            )
            for stage, summary in latencies.items()
            if summary.count
        ]
    )


def stage_columns(columns: Iterable[Mapping[str, float] | None]) -> list[dict[int, float] | None]:
    """Convert columns of {stage: milliseconds} to those of `stacked_columns`."""
    return [{_SERIES[stage]: ms for stage, ms in column.items()} if column else None for column in columns]


def stage_legend(stages: Iterable[str]) -> Html:
    """Return the legend of a chart of `stage_columns`."""
    return page.legend((_SERIES[stage], STAGE_TEXTS[stage]) for stage in stages)


def node_latency(recording: Recording) -> list[dict[str, float] | None]:
    """Return the milliseconds of NODE_STAGES for each frame sent; None without a result.

    The total in the node minus its stages is the time that the frame waited for the worker.
    """
    columns: list[dict[str, float] | None] = []
    for stamp in sorted(recording.sent):
        event = recording.outputs["latency"].get(stamp)
        if event is None:
            columns.append(None)
            continue
        times = {stage: max(0.0, event["stages"][stage]) for stage in FRAME_STAGES}
        times["waiting"] = max(0.0, event["stages"]["total"] - sum(times[stage] for stage in FRAME_STAGES[1:]))
        columns.append({stage: times[stage] for stage in NODE_STAGES})
    return columns
