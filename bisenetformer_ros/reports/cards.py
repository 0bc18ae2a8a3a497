"""Cards and tables that several reports share."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from bisenetformer_ros.evaluation.boxes import BoxScores
from bisenetformer_ros.labels import Label
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQualityResult, Quality, SegmentMatches
from bisenetformer_ros.metrics.video_quality import VideoQualityResult
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.charts import Bar, bar_chart, line_chart
from bisenetformer_ros.reports.heat_map import heat_map
from bisenetformer_ros.reports.page import Html

NUM_CONFUSIONS = 10
_STUFF, _THING = 3, 4
_NO_CLASS = "no class"

NO_INSTANCES = "Connected components of the labels serve as instances: touching objects count as one."

TRACKING_NOTE = (
    "STQ is the geometric mean of AQ, how well things keep their ids, and SQ, the mean IoU of the classes. VPQ is the "
    "panoptic quality of the segments of several frames at a time."
)


def tracking_text(tracking: VideoQualityResult) -> str:
    """Return the measures of tracked segments as a line, in percent."""
    vpq = ", ".join(f"{percent(value)} over {length}" for length, value in tracking.vpq.items())
    stq, aq, sq = (percent(value) for value in (tracking.stq, tracking.aq, tracking.sq))
    return f"Tracking: STQ {stq} (AQ {aq}, SQ {sq}); VPQ {vpq} frames."


def boxes_text(boxes: BoxScores) -> str:
    """Return the measures of 3D boxes as a line."""
    found = f"{boxes.num_found} of {boxes.num_things} things found"
    return f"3D boxes: {found}, centre error {percent(boxes.median_error)} % of distance (median)."


def describe_matches(matches: SegmentMatches) -> str:
    """Return the numbers of true positives, false negatives and false positives as text."""
    return f"{len(matches.hits)} found, {len(matches.misses)} missed, {len(matches.false_positives)} false"


def class_table(labels: Iterable[Label], mean_iou: MeanIoUResult, quality: PanopticQualityResult | None) -> Html:
    """Return a table of the IoU and, with `quality`, the PQ, SQ and RQ of each class and their means, in percent."""
    rows = []
    for label in labels:
        cells = [page.swatch(label.color, label.name), "thing" if label.is_thing else "stuff"]
        cells.append(_meter(mean_iou.per_class_iou[label.id]))
        rows.append([*cells, *(_quality_cells(quality.per_class[label.id]) if quality else ())])
    rows.append(["mean", "", _meter(mean_iou.miou), *(_quality_cells(quality.all) if quality else ())])
    if quality:
        rows.append(["things", "", "", *_quality_cells(quality.things)])
        rows.append(["stuff", "", "", *_quality_cells(quality.stuff)])
    header = ("class", "", "IoU", *(("PQ", "SQ", "RQ") if quality else ()))
    return page.table(header, rows, total_rows=3 if quality else 1)


def class_bars_card(labels: Sequence[Label], mean_iou: MeanIoUResult, quality: PanopticQualityResult | None) -> Html:
    """Return a bar chart of the PQ, or without `quality` the IoU, of the classes that occur, best first."""
    if quality is None:
        name, shares = "IoU", {label: float(mean_iou.per_class_iou[label.id]) for label in labels}
    else:
        name, shares = "PQ", {label: quality.per_class[label.id].pq for label in labels}
    ranked = sorted((label for label in labels if not np.isnan(shares[label])), key=lambda label: -shares[label])
    bars = [
        Bar(label.name, shares[label], shares[label], percent(shares[label]), _THING if label.is_thing else _STUFF)
        for label in ranked
    ]
    legend = page.legend([(_STUFF, "stuff"), (_THING, "things")])
    absent = len(labels) - len(ranked)
    note = f"{absent} classes do not occur." if absent else ""
    return page.card(f"{name} by class, percent", bar_chart(bars, full=1.0), legend, note=note)


def scores_card(title: str, scores: Sequence[float | None], note: str) -> Html:
    """Return a line chart of scores of 0..1 with the best and the worst marked; None or nan for a gap."""
    values = [None if score is None or math.isnan(score) else 100 * score for score in scores]
    ranked = sorted((value, index) for index, value in enumerate(values) if value is not None)
    marks = {ranked[0][1]: "worst", ranked[-1][1]: "best"} if ranked else {}
    return page.card(title, line_chart(values, marks), note=note)


def segments_card(labels: Iterable[Label], matches: Sequence[SegmentMatches]) -> Html:
    """Return a table of true positives, false negatives and false positives by class."""
    found = Counter(hit.class_id for image in matches for hit in image.hits)
    missed = Counter(class_id for image in matches for class_id in image.misses.values())
    false = Counter(class_id for image in matches for class_id in image.false_positives.values())
    rows = [
        [page.swatch(label.color, label.name), *(str(count[label.id]) for count in (found, missed, false))]
        for label in labels
        if found[label.id] + missed[label.id] + false[label.id]
    ]
    rows.append(["all", *(str(count.total()) for count in (found, missed, false))])
    note = (
        "Found: same class and IoU above 0.5. Predictions that lie mostly on unlabelled pixels or in a crowd of their "
        "class are not counted."
    )
    return page.card("Segments", page.table(("class", "found", "missed", "false"), rows, total_rows=1), note=note)


def confusion_cards(labels: Sequence[Label], mean_iou: MeanIoUResult) -> Iterator[Html]:
    """Yield the confusion matrix of the classes that occur, and a table of the largest confusions."""
    confusion = mean_iou.confusion
    shown = [label for label in labels if confusion[label.id].any() or confusion[:, label.id].any()]
    names = [label.name for label in shown]
    ids = [label.id for label in shown]
    columns, column_names = list(ids), list(names)
    if confusion[:, -1].any():
        columns.append(confusion.shape[1] - 1)
        column_names.append(_NO_CLASS)
    picture = heat_map(confusion[np.ix_(ids, columns)], names, column_names)
    note = "Rows: true class; columns: predicted class; percent of the row's pixels, from 0.5. Blue: correct."
    yield page.card("Confusions", picture, note=note)
    header = ("true class", "predicted", "of its pixels", "of all wrong pixels")
    yield page.card("The largest confusions", page.table(header, _largest_confusions(labels, confusion)))


def _largest_confusions(labels: Sequence[Label], confusion: np.ndarray) -> Iterator[tuple[str, ...]]:
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    names = [*(label.name for label in labels), _NO_CLASS]
    for position in np.argsort(-wrong, axis=None)[:NUM_CONFUSIONS]:
        true, predicted = np.unravel_index(position, wrong.shape)
        count = wrong[true, predicted]
        if count:
            share, of_errors = count / confusion[true].sum(), count / wrong.sum()
            yield names[true], names[predicted], f"{percent(share)} %", f"{percent(of_errors)} %"


def _meter(share: float) -> str:
    return percent(share) if math.isnan(share) else page.meter(share, percent(share))


def _quality_cells(quality: Quality) -> tuple[str, str, str]:
    return percent(quality.pq), percent(quality.sq), percent(quality.rq)
