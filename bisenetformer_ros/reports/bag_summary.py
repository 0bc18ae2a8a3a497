"""A judged bag as tables on the terminal."""

import math

from rich.console import Console
from rich.table import Table

from bisenetformer_ros.evaluation.bag_frames import BagEvaluation
from bisenetformer_ros.evaluation.bag_playback import RouteComparison
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports.terminal import class_table, latency_table


def print_bag_summary(evaluation: BagEvaluation, playback: RouteComparison | None, console: Console) -> None:
    console.print(_frames(evaluation), latency_table(evaluation.latencies()), sep="\n")
    if evaluation.mean_iou is not None:
        console.print(class_table(evaluation.labels, evaluation.mean_iou, evaluation.panoptic_quality))
        if evaluation.panoptic_quality is not None and not evaluation.has_instances:
            console.print("PQ: connected components of the labels stand in for instances; touching objects are one.")
    console.print(_consistency(evaluation))
    if playback is not None:
        console.print(_playback(playback))


def _frames(evaluation: BagEvaluation) -> Table:
    table = Table("frames")
    table.add_column("number", justify="right")
    table.add_row("in the bag", str(len(evaluation.frames)))
    table.add_row("segmented", str(len(evaluation.segmented)))
    for reason, count in evaluation.dropped.items():
        table.add_row(f"unusable: {reason.removeprefix('bad_input.')}", str(count))
    if evaluation.missing:
        table.add_row("never recorded, by gaps in the stamps", str(evaluation.missing))
    if evaluation.mean_iou is not None:
        table.add_row("with labels", str(evaluation.num_labeled))
    return table


def _consistency(evaluation: BagEvaluation) -> str:
    result = evaluation.consistency
    if not result.num_pairs:
        return "Temporal consistency: not measured, the frames are too far apart in time to be compared."
    text = f"Temporal consistency: {percent(result.miou)} % mIoU"
    text += "" if math.isnan(result.pq) else f", {percent(result.pq)} % PQ"
    pairs = "1 pair" if result.num_pairs == 1 else f"{result.num_pairs} pairs"
    return f"{text} over {pairs} of frames ({percent(result.compared)} % of the pixels compared)."


def _playback(playback: RouteComparison) -> str:
    count = playback.recording.count()
    text = f"Through the live node: {count.received} of {count.sent} frames came back"
    if count.dropped:
        reasons = ", ".join(f"{reason.replace('_', ' ')}: {number}" for reason, number in count.dropped.items())
        text += f" ({reasons})"
    maps = ", ".join(f"{number} of ~/{topic}" for topic, number in playback.compared.items()) or "nothing"
    if not playback.differences:
        return f"{text}; compared with the direct route: {maps}, all identical."
    worst = max(playback.differences, key=lambda difference: difference.pixels)
    difference = f"{len(playback.differences)} differ, ~/{worst.topic} of {worst.name} in {worst.pixels} pixels"
    return f"{text}; compared with the direct route: {maps}; {difference}."
