"""HTML report of the evaluation of a bag."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.evaluation.bag_frames import BAG_STAGES, BagEvaluation
from bisenetformer_ros.evaluation.bag_playback import RouteComparison
from bisenetformer_ros.images.draw import colorize, overlay
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.bag_examples import BagExample
from bisenetformer_ros.reports.bag_timeline import Timeline, condense
from bisenetformer_ros.reports.cards import NO_INSTANCES, TRACKING_NOTE, class_table, tracking_text
from bisenetformer_ros.reports.charts import line_chart, stacked_areas, stacked_columns
from bisenetformer_ros.reports.latency import (
    BARS_NOTE,
    NODE_STAGES,
    latency_bars,
    node_latency,
    stage_columns,
    stage_legend,
)
from bisenetformer_ros.reports.page import Html

UNLABELED_COLOR = (0, 0, 0)


@dataclass(frozen=True, eq=False)
class BagReport:
    """Content of the report.

    Attributes:
        examples: The worst frames, by mIoU if there are labels, otherwise by consistency.
        playback: None if the bag was not played through the node.
        circumstances: Name → text about how the figures were obtained, "model" among them.
        warning: Why the results are poor, or empty.
    """

    bag: Path
    evaluation: BagEvaluation
    examples: list[BagExample]
    playback: RouteComparison | None
    circumstances: Mapping[str, str]
    warning: str = ""


def write_bag_report(report: BagReport, path: Path) -> None:
    """Write the report to one self-contained file."""
    evaluation = report.evaluation
    timeline = Timeline(evaluation)
    lead = (
        f"{evaluation.topic.name} of {report.bag.name} · {timeline.duration_s:.1f} s · {report.circumstances['model']}"
    )
    blocks = [
        page.warning(report.warning),
        page.tiles(_key_figures(report)),
        _frames_card(evaluation),
        *_latency_cards(evaluation, timeline),
        *_quality_cards(evaluation, timeline),
        _shares_card(evaluation, timeline),
        *(_playback_cards(report.playback) if report.playback else ()),
        _examples_card(report),
        page.card("Setup", page.facts({**report.circumstances, **describe_machine()}.items())),
    ]
    write_atomically(path, page.page(f"BiSeNetFormer on {report.bag.name}", lead, blocks).encode())


def _key_figures(report: BagReport) -> Iterator[tuple[str, str]]:
    evaluation = report.evaluation
    total = evaluation.latencies()["total"]
    yield str(len(evaluation.segmented)), f"of {len(evaluation.frames)} frames segmented"
    for name, text in (("miou", "mIoU, percent"), ("pq", "PQ, percent"), ("consistency", "consistency, percent mIoU")):
        if name in evaluation.measures:
            yield percent(evaluation.measures[name]), text
    yield f"{total.p50_ms:.0f} ms", f"per frame, median (p95: {total.p95_ms:.0f} ms)"
    if report.playback:
        yield "identical" if report.playback.identical else "different", "results of the live node"


def _frames_card(evaluation: BagEvaluation) -> Html:
    rows = [("in the bag", len(evaluation.frames)), ("segmented", len(evaluation.segmented))]
    rows += [(f"unusable: {reason.removeprefix('bad_input.')}", count) for reason, count in evaluation.dropped.items()]
    rows.append(("missing, estimated from gaps in the stamps", evaluation.missing))
    rows.append(("with labels", evaluation.num_labeled))
    reasons = [f"{frame.name}: {frame.reason}" for frame in evaluation.frames if frame.dropped]
    return page.card("Frames", _count_table(rows), note="; ".join(reasons[:5]))


def _count_table(rows: Iterable[tuple[str, int]]) -> Html:
    return page.table(("frames", "number"), ((name, str(number)) for name, number in rows))


def _latency_cards(evaluation: BagEvaluation, timeline: Timeline) -> Iterator[Html]:
    note = f"Read from the bag, without ROS. {BARS_NOTE}"
    yield page.card("Latency", latency_bars(evaluation.latencies()), note=note)
    chart = stacked_columns(stage_columns(timeline.latency()), " ms", timeline.axis_s)
    note = f"{timeline.resolution} Red columns: no frame could be segmented."
    yield page.card("Latency and drops over time", chart, stage_legend(BAG_STAGES), *_drops(timeline), note=note)


def _drops(timeline: Timeline) -> Iterator[Html]:
    drops = timeline.drops()
    if drops:
        columns = [{number: counts[i] for number, counts in enumerate(drops.values())} for i in range(len(timeline))]
        yield page.row("Unusable frames", [stacked_columns(columns, "", timeline.axis_s)])
        yield page.legend((number, reason.removeprefix("bad_input.")) for number, reason in enumerate(drops))


def _quality_cards(evaluation: BagEvaluation, timeline: Timeline) -> Iterator[Html]:
    if evaluation.mean_iou is not None:
        note = f"Percent, over {evaluation.num_labeled} frames with labels."
        if evaluation.panoptic_quality and not evaluation.has_instances:
            note += f" {NO_INSTANCES}"
        table = class_table(evaluation.labels, evaluation.mean_iou, evaluation.panoptic_quality)
        yield page.card("Quality", table, note=note)
        chart = _line(timeline, "miou")
        yield page.card("mIoU over time", chart, note="Over the classes in each frame.")
    if evaluation.tracking is not None:
        yield page.card("Tracking", note=f"{tracking_text(evaluation.tracking)} {TRACKING_NOTE}")
    result = evaluation.consistency
    if not result.num_pairs:
        yield page.card("Consistency", note="Not measured: consecutive frames are too far apart in time.")
        return
    note = (
        "mIoU of each result against the previous one, warped by optical flow: "
        f"{percent(result.miou)} % over {result.num_pairs} pairs. {percent(result.compared)} % of the pixels could be "
        "tracked and are compared."
    )
    if not np.isnan(result.pq):
        note += f" PQ of the segments, compared the same way: {percent(result.pq)} %."
    note += " A model that detects nothing is perfectly consistent."
    yield page.card("Consistency over time", _line(timeline, "consistency"), note=note)


def _line(timeline: Timeline, measure: str) -> Html:
    values = [None if value is None else 100 * value for value in timeline.mean(measure)]
    worst = min((value, index) for index, value in enumerate(values) if value is not None)[1]
    return line_chart(values, {worst: "worst"}, timeline.axis_s)


def _shares_card(evaluation: BagEvaluation, timeline: Timeline) -> Html:
    names = [label.name for label in evaluation.labels] + ["unlabeled"]
    colors = [label.color for label in evaluation.labels] + [UNLABELED_COLOR]
    chart = stacked_areas(timeline.class_shares(), colors, timeline.axis_s)
    legend = page.color_legend(zip(colors, names, strict=True))
    return page.card("Class shares over time", chart, legend, note="Fractions of the pixels by predicted class.")


def _playback_cards(playback: RouteComparison) -> Iterator[Html]:
    count = playback.recording.count()
    rows = [("sent by the player", count.sent), ("received from the node", count.received)]
    rows += [(f"dropped: {reason.replace('_', ' ')}", number) for reason, number in count.dropped.items()]
    rows += [(f"~/{topic} compared with the offline result", number) for topic, number in playback.compared.items()]
    rows.append(("outputs that differ", len(playback.differences)))
    differing = [f"{d.name}: {d.pixels} pixels of ~/{d.topic}" for d in playback.differences]
    pace = "each frame after the result of the previous one" if playback.rate == "lockstep" else f"rate {playback.rate}"
    note = f"Played through the live node over DDS, {pace}. " + "; ".join(differing[:5])
    yield page.card("The same bag through the node", _count_table(rows), note=note)
    columns, together = condense(node_latency(playback.recording))
    chart = stacked_columns(stage_columns(columns), " ms")
    note = f"From the stamp to the last message published. {BARS_NOTE} "
    note += "Red columns: lost frames." if together == 1 else f"A column is the median of {together} frames."
    bars = latency_bars(playback.recording.latencies())
    yield page.card("Latency and drops in the node", bars, chart, stage_legend(NODE_STAGES), note=note)


def _examples_card(report: BagReport) -> Html:
    if not report.examples:
        return page.card("Worst frames", note="Not available: neither labels nor consistency rank the frames.")
    return page.card("Worst frames", *(_example(report.evaluation, example) for example in report.examples))


def _example(evaluation: BagEvaluation, example: BagExample) -> Html:
    labels, frame, result = evaluation.labels, example.frame, example.result
    title = frame.name
    title += f", mIoU {percent(frame.miou)}" if frame.miou is not None else ""
    title += f", consistency {percent(frame.consistency)}" if frame.consistency is not None else ""
    figures = [
        page.picture(example.rgb, "camera"),
        page.picture(overlay(example.rgb, result, labels), "overlay"),
        page.picture(colorize(result.label_map, labels), "classes"),
    ]
    if example.truth is not None:
        figures.append(page.picture(colorize(example.truth, labels), "truth"))
    elif example.previous is not None:
        figures.append(page.picture(colorize(example.previous[1].label_map, labels), "classes of the previous frame"))
    figures.append(page.picture(np.dstack([result.confidence] * 3), "confidence (white: certain)"))
    return page.row(title, figures)
