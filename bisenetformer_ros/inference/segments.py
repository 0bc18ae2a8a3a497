"""Segments of a panoptic map: which queries become segments, and their areas, boxes and centroids."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment


@dataclass(frozen=True, eq=False)
class Queries:
    """N queries that take part in a panoptic map, as (N,) arrays.

    Attributes:
        classes: Class ids.
        scores: Class probabilities, 0 to 1.
        owned_areas: Pixels at which the query wins, at any probability.
        mask_areas: Pixels at which the query's mask probability is at least 0.5, whichever query wins.
        region_areas: Pixels with both. A query without a region is dropped.
    """

    classes: np.ndarray
    scores: np.ndarray
    owned_areas: np.ndarray
    mask_areas: np.ndarray
    region_areas: np.ndarray


@dataclass(frozen=True)
class Region:
    """Geometry of a region.

    Attributes:
        area: Pixels.
        box_xyxy: x_min, y_min, x_max, y_max in pixels, max exclusive.
        centroid_xy: Mean pixel centre.
    """

    area: int
    box_xyxy: tuple[int, int, int, int]
    centroid_xy: tuple[float, float]


def number_segments(queries: Queries, labels: LabelMap, overlap_threshold: float) -> np.ndarray:
    """Assign segment ids to queries; queries of one stuff class share an id.

    Returns:
        (N,) ids, from 1 in the order of the queries, 0 if dropped: without a region, or owning fewer pixels than
        `overlap_threshold` times its mask area.
    """
    ids = np.zeros(len(queries.classes), int)
    stuff_ids: dict[int, int] = {}
    for query in np.flatnonzero(queries.region_areas):
        if queries.owned_areas[query] < overlap_threshold * queries.mask_areas[query]:
            continue
        class_id, next_id = int(queries.classes[query]), int(ids.max()) + 1
        ids[query] = next_id if labels[class_id].is_thing else stuff_ids.setdefault(class_id, next_id)
    return ids


def merge_regions(ids: np.ndarray, regions: Sequence[Region]) -> list[Region]:
    """Merge the queries' regions, which are disjoint, into the regions of segments 1, 2, …"""
    return [
        _union([region for region, own_id in zip(regions, ids, strict=True) if own_id == segment_id])
        for segment_id in range(1, int(ids.max(initial=0)) + 1)
    ]


def describe_segments(
    ids: np.ndarray, regions: Sequence[Region], queries: Queries, labels: LabelMap
) -> tuple[Segment, ...]:
    """Describe segments 1, 2, …, whose regions are given; a shared score is the mean weighted by area."""
    segments = []
    for segment_id, region in enumerate(regions, start=1):
        members = ids == segment_id
        label = labels[int(queries.classes[members][0])]
        score = float(np.average(queries.scores[members], weights=queries.region_areas[members]))
        segments.append(Segment(segment_id, label.id, label.name, label.is_thing, score, **vars(region)))
    return tuple(segments)


def measure_regions(id_map: np.ndarray, num_regions: int) -> list[Region | None]:
    """Measure the regions 1..num_regions of an (H, W) unsigned integer map; None for a region without pixels.

    All follows from the runs of equal ids in each row, which are far fewer than the pixels.
    """
    width = id_map.shape[1]
    begins = np.ones(id_map.shape, bool)
    np.not_equal(id_map[:, 1:], id_map[:, :-1], out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    ids, lengths = id_map.reshape(-1)[starts], np.diff(starts, append=id_map.size)
    by_id = np.argsort(ids, kind="stable")
    ids, lengths = ids[by_id], lengths[by_id]
    rows, columns = np.divmod(starts[by_id], width)
    ends = np.searchsorted(ids, np.arange(num_regions + 1), side="right")
    runs = map(slice, ends[:-1], ends[1:])
    return [_region(rows[each], columns[each], lengths[each]) for each in runs]


def _region(rows: np.ndarray, columns: np.ndarray, lengths: np.ndarray) -> Region | None:
    """Measure a region from its runs of pixels, by row: their rows, first columns and lengths."""
    if not rows.size:
        return None
    area = int(lengths.sum())
    box = int(columns.min()), int(rows[0]), int((columns + lengths).max()), int(rows[-1]) + 1
    x_sum = int((lengths * (2 * columns + lengths - 1)).sum()) // 2  # 2 Σx of a run is even
    return Region(area, box, (x_sum / area, int(rows @ lengths) / area))


def _union(regions: Sequence[Region]) -> Region:
    if len(regions) == 1:
        return regions[0]
    areas = [region.area for region in regions]
    boxes = np.array([region.box_xyxy for region in regions])
    x_min, y_min = boxes[:, :2].min(axis=0).tolist()
    x_max, y_max = boxes[:, 2:].max(axis=0).tolist()
    x_mean, y_mean = np.average([region.centroid_xy for region in regions], axis=0, weights=areas).tolist()
    return Region(sum(areas), (x_min, y_min, x_max, y_max), (x_mean, y_mean))
