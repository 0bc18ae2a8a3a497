"""The outcome as tables on the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bisenetformer_ros.demo.outcome import Outcome
from bisenetformer_ros.demo.report import STAGE_TEXTS
from bisenetformer_ros.evaluation.panoptic_quality import Quality
from bisenetformer_ros.report.numbers import percent


def print_summary(outcome: Outcome, console: Console) -> None:
    console.print(outcome.footage.description, markup=False, highlight=False)
    console.print(_frames(outcome), _latency(outcome), sep="\n")
    if outcome.scores:
        console.print(_classes(outcome))
        if not outcome.scores.exact_instances:
            console.print(
                "PQ: connected components of the labels stand in for instances; touching objects count as one."
            )
    else:
        console.print(f"Not compared with labels: {escape(outcome.why_no_scores)}.")


def _frames(outcome: Outcome) -> Table:
    count = outcome.count
    table = Table("frames")
    table.add_column("number", justify="right")
    table.add_row("sent by the camera", str(count.sent))
    table.add_row(f"received by the listener ({outcome.recording.rate_hz():.1f} per second)", str(count.received))
    table.add_row("dropped", str(sum(count.dropped.values())))
    for reason, number in count.dropped.items():
        table.add_row(f"  {reason.replace('_', ' ')}", str(number))
    return table


def _latency(outcome: Outcome) -> Table:
    table = Table("milliseconds")
    for column in ("p50", "p95", "p99"):
        table.add_column(column, justify="right")
    for name, summary in outcome.recording.latencies().items():
        table.add_row(STAGE_TEXTS[name], *(f"{ms:.1f}" for ms in (summary.p50_ms, summary.p95_ms, summary.p99_ms)))
    return table


def _classes(outcome: Outcome) -> Table:
    scores, labels = outcome.scores, outcome.recording.labels
    quality = scores.panoptic_quality
    table = Table("percent")
    for column in ("IoU", *(("PQ", "SQ", "RQ") if quality else ())):
        table.add_column(column, justify="right")
    for label in labels.labels:
        iou = percent(scores.mean_iou.per_class_iou[label.id])
        table.add_row(label.name, iou, *(_cells(quality.per_class[label.id]) if quality else ()))
    table.add_section()
    table.add_row("mean", percent(scores.mean_iou.miou), *(_cells(quality.all) if quality else ()), style="bold")
    if quality:
        table.add_row("things", "", *_cells(quality.things))
        table.add_row("stuff", "", *_cells(quality.stuff))
    return table


def _cells(quality: Quality) -> tuple[str, ...]:
    return tuple(percent(share) for share in (quality.pq, quality.sq, quality.rq))
