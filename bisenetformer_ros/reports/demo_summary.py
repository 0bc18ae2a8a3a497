"""The outcome as tables on the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bisenetformer_ros.evaluation.demo_outcome import Outcome
from bisenetformer_ros.reports.demo import STAGE_TEXTS
from bisenetformer_ros.reports.terminal import class_table, latency_table


def print_summary(outcome: Outcome, console: Console) -> None:
    console.print(outcome.footage.description, markup=False, highlight=False)
    latencies = {STAGE_TEXTS[name]: summary for name, summary in outcome.recording.latencies().items()}
    console.print(_frames(outcome), latency_table(latencies), sep="\n")
    if outcome.scores:
        console.print(class_table(outcome.recording.labels, outcome.scores.mean_iou, outcome.scores.panoptic_quality))
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
