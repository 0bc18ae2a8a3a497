"""Tables of measurements for the terminal."""

from collections.abc import Mapping

from rich.table import Table

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.latency import LatencySummary
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQualityResult, Quality
from bisenetformer_ros.numbers import percent


def latency_table(latencies: Mapping[str, LatencySummary]) -> Table:
    """Return the percentiles of each stage in milliseconds."""
    table = number_table("milliseconds", "p50", "p95", "p99")
    for name, summary in latencies.items():
        table.add_row(name, *(f"{ms:.1f}" for ms in (summary.p50_ms, summary.p95_ms, summary.p99_ms)))
    return table


def class_table(labels: LabelMap, mean_iou: MeanIoUResult, quality: PanopticQualityResult | None) -> Table:
    """Return the IoU and, with `quality`, the PQ, SQ and RQ of each class and their means, in percent."""
    table = number_table("percent", "IoU", *(("PQ", "SQ", "RQ") if quality else ()))
    for label in labels:
        iou = percent(mean_iou.per_class_iou[label.id])
        table.add_row(label.name, iou, *(_cells(quality.per_class[label.id]) if quality else ()))
    table.add_section()
    table.add_row("mean", percent(mean_iou.miou), *(_cells(quality.all) if quality else ()), style="bold")
    if quality:
        table.add_row("things", "", *_cells(quality.things))
        table.add_row("stuff", "", *_cells(quality.stuff))
    return table


def number_table(title: str, *columns: str) -> Table:
    """Return an empty table with a column of names, headed by `title`, and columns of numbers."""
    table = Table(title)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _cells(quality: Quality) -> tuple[str, ...]:
    return tuple(percent(share) for share in (quality.pq, quality.sq, quality.rq))
