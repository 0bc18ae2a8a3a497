"""The HTML report of a judged bag, of one file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bisenetformer_ros.evaluation.bag_frames import STAGES, BagEvaluation
from bisenetformer_ros.evaluation.bag_playback import RouteComparison
from bisenetformer_ros.images.draw import colorize, overlay
from bisenetformer_ros.machine import describe_machine
from bisenetformer_ros.metrics.latency import LatencySummary
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.bag_examples import Example
from bisenetformer_ros.reports.bag_timeline import Timeline, condense
from bisenetformer_ros.reports.charts import Bar, bar_chart, line_chart, stacked_areas, stacked_columns
from bisenetformer_ros.reports.class_table import class_table
from bisenetformer_ros.reports.latency_stages import SERIES, STAGE_TEXTS, latency_columns
from bisenetformer_ros.reports.page import Html

UNLABELED_COLOR = (0, 0, 0)


@dataclass(frozen=True, eq=False)
class BagReport:
    """Everything that is told. examples: the worst frames, by miou where there are labels, else by consistency.

    playback: None if the bag was not played. circumstances: (name, text) of how it was made.
    """

    bag: Path
    evaluation: BagEvaluation
    examples: list[Example]
    playback: RouteComparison | None
    circumstances: Mapping[str, str]


def write_bag_report(report: BagReport, path: Path) -> None:
    """Writes the page; it refers to no other file."""
    evaluation = report.evaluation
    timeline = Timeline(evaluation)
    lead = (
        f"{evaluation.topic.name} of {report.bag.name} · {timeline.duration_s:.1f} s · {report.circumstances['model']}"
    )
    blocks = [
        page.tiles(_key_figures(report)),
        _frames_card(evaluation),
        *_latency_cards(evaluation, timeline),
        *_quality_cards(evaluation, timeline),
        _shares_card(evaluation, timeline),
        *(_playback_cards(report.playback) if report.playback else ()),
        _examples_card(report),
        page.card("How it was made", page.facts({**report.circumstances, **describe_machine()}.items())),
    ]
    path.write_text(page.page(f"BiSeNetFormer on {report.bag.name}", lead, blocks), encoding="utf-8")


def _key_figures(report: BagReport) -> Iterator[tuple[str, str]]:
    evaluation = report.evaluation
    total = evaluation.latencies()["total"]
    yield str(len(evaluation.segmented)), f"of {len(evaluation.frames)} frames segmented"
    for name, text in (("miou", "mIoU, percent"), ("pq", "PQ, percent"), ("consistency", "consistency, percent mIoU")):
        if name in evaluation.measures:
            yield percent(evaluation.measures[name]), text
    yield f"{total.p50_ms:.0f} ms", f"per frame, median (95\N{NO-BREAK SPACE}%: {total.p95_ms:.0f} ms)"
    if report.playback:
        yield "identical" if report.playback.identical else "different", "through the live node"


def _frames_card(evaluation: BagEvaluation) -> Html:
    rows = [("in the bag", len(evaluation.frames)), ("segmented", len(evaluation.segmented))]
    rows += [(f"unusable: {reason.removeprefix('bad_input.')}", count) for reason, count in evaluation.dropped.items()]
    rows.append(("never recorded, by gaps in the stamps", evaluation.missing))
    rows.append(("with labels", evaluation.num_labeled))
    reasons = [f"{frame.name}: {frame.reason}" for frame in evaluation.frames if frame.dropped]
    return page.card("Frames", page.table(("frames", "number"), _text_rows(rows)), note="; ".join(reasons[:5]))


def _text_rows(rows: Iterable[tuple[str, int]]) -> Iterator[tuple[str, str]]:
    return ((name, str(number)) for name, number in rows)


def _latency_cards(evaluation: BagEvaluation, timeline: Timeline) -> Iterator[Html]:
    note = "Read from the bag, without ROS. Bar: median, whisker: 99 %; the numbers are p50 · p95 · p99."
    yield page.card("Where the time goes", _bars(evaluation.latencies()), note=note)
    legend = page.legend((SERIES[stage], stage) for stage in STAGES)
    columns = [{SERIES[stage]: ms for stage, ms in column.items()} if column else None for column in timeline.latency()]
    chart = stacked_columns(columns, " ms", timeline.axis_s)
    note = f"{timeline.resolution} A red column is time in which no frame could be segmented."
    yield page.card("Latency and drops over time", chart, legend, *_drops(timeline), note=note)


def _bars(latencies: Mapping[str, LatencySummary]) -> Html:
    return bar_chart(
        [
            Bar(name, s.p50_ms, s.p99_ms, f"{s.p50_ms:.1f} · {s.p95_ms:.1f} · {s.p99_ms:.1f} ms", SERIES[name])
            for name, s in latencies.items()
            if s.count
        ]
    )


def _drops(timeline: Timeline) -> Iterator[Html]:
    """A chart of the unusable frames, if there are any."""
    drops = timeline.drops()
    if drops:
        columns = [{number: counts[i] for number, counts in enumerate(drops.values())} for i in range(len(timeline))]
        yield page.row("Unusable frames", [stacked_columns(columns, "", timeline.axis_s)])
        yield page.legend((number, reason.removeprefix("bad_input.")) for number, reason in enumerate(drops))


def _quality_cards(evaluation: BagEvaluation, timeline: Timeline) -> Iterator[Html]:
    if evaluation.mean_iou is not None:
        note = f"Percent, over {evaluation.num_labeled} frames with labels."
        if evaluation.panoptic_quality and not evaluation.has_instances:
            note += " Connected components of the labels stand in for instances: objects that touch count as one."
        table = class_table(evaluation.labels, evaluation.mean_iou, evaluation.panoptic_quality)
        yield page.card("Quality", table, note=note)
        chart = _line(timeline, "miou")
        yield page.card("mIoU over time", chart, note="Over the classes in each frame alone.")
    result = evaluation.consistency
    if not result.num_pairs:
        yield page.card("Consistency", note="Not measured: the frames are too far apart in time to be compared.")
        return
    note = (
        "mIoU of each result with the one before, which is moved along the optical flow; over all "
        f"{result.num_pairs} pairs {percent(result.miou)} %. The flow could follow {percent(result.compared)} % of the "
        "pixels, the others are not compared."
    )
    if not np.isnan(result.pq):
        note += f" PQ of the segments, compared in the same way: {percent(result.pq)} %."
    note += " A model that sees nothing at all is perfectly consistent."
    yield page.card("Consistency over time", _line(timeline, "consistency"), note=note)


def _line(timeline: Timeline, measure: str) -> Html:
    values = [None if value is None else 100 * value for value in timeline.mean(measure)]
    worst = min((value, index) for index, value in enumerate(values) if value is not None)[1]
    return line_chart(values, {worst: "worst"}, timeline.axis_s)


def _shares_card(evaluation: BagEvaluation, timeline: Timeline) -> Html:
    names = [label.name for label in evaluation.labels] + ["unlabeled"]
    colors = [label.color for label in evaluation.labels] + [UNLABELED_COLOR]
    entries = "".join(f"<span>{page.swatch(color, name)}</span>" for color, name in zip(colors, names, strict=True))
    chart = stacked_areas(timeline.class_shares(), colors, timeline.axis_s)
    return page.card(
        "Class shares over time",
        chart,
        Html(f'<div class="legend">{entries}</div>'),
        note="Of the pixels, as the model labels them.",
    )


def _playback_cards(playback: RouteComparison) -> Iterator[Html]:
    count = playback.recording.count()
    rows = [("sent by the player", count.sent), ("came back from the node", count.received)]
    rows += [(f"dropped: {reason.replace('_', ' ')}", number) for reason, number in count.dropped.items()]
    rows += [(f"~/{topic} compared with the direct route", number) for topic, number in playback.compared.items()]
    rows.append(("outputs that differ", len(playback.differences)))
    differing = [f"{d.name}: {d.pixels} pixels of ~/{d.topic}" for d in playback.differences]
    pace = "each frame after the result of the one before" if playback.rate == "lockstep" else f"{playback.rate} x"
    note = f"Played through the live node over DDS, {pace}. " + "; ".join(differing[:5])
    yield page.card("The same bag through the node", page.table(("frames", "number"), _text_rows(rows)), note=note)
    names = ["transport", "waiting", *STAGES, "publish"]
    columns, together = condense(latency_columns(playback.recording))
    chart = stacked_columns(columns, " ms")
    note = "From the stamp to the last message published. "
    note += (
        "A red column is a frame that did not come back."
        if together == 1
        else (f"A column is the median of {together} frames; it is red if none of them came back.")
    )
    legend = page.legend((SERIES[name], STAGE_TEXTS[name]) for name in names)
    bars = _bars(playback.recording.latencies())
    yield page.card("Latency and drops in the node", bars, chart, legend, note=note)


def _examples_card(report: BagReport) -> Html:
    if not report.examples:
        return page.card("Worst frames", note="Neither labels nor consistency tell which frames are the worst.")
    return page.card("Worst frames", *(_example(report.evaluation, example) for example in report.examples))


def _example(evaluation: BagEvaluation, example: Example) -> Html:
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
    elif example.before is not None:
        figures.append(page.picture(colorize(example.before[1].label_map, labels), "classes of the frame before"))
    figures.append(page.picture(np.dstack([result.confidence] * 3), "confidence, white is sure"))
    return page.row(title, figures)
