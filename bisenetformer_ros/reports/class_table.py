"""The quality of every class as a table."""

import math
from collections.abc import Iterable

from bisenetformer_ros.labels import Label
from bisenetformer_ros.metrics.mean_iou import MeanIoUResult
from bisenetformer_ros.metrics.panoptic_quality import PanopticQualityResult, Quality
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.page import Html


def class_table(labels: Iterable[Label], mean_iou: MeanIoUResult, quality: PanopticQualityResult | None) -> Html:
    """IoU and, with `quality`, PQ, SQ and RQ of every class in its colour, and their means; percent."""
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


def _meter(share: float) -> str:
    return percent(share) if math.isnan(share) else page.meter(share, percent(share))


def _quality_cells(quality: Quality) -> tuple[str, str, str]:
    return percent(quality.pq), percent(quality.sq), percent(quality.rq)
