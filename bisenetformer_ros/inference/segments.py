"""From the queries of a panoptic prediction to the segments of its map: the part that needs no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.inference.regions import Region
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment


@dataclass(frozen=True, eq=False)
class Queries:
    """N queries, (N,) arrays. classes: ids of classes. scores: 0..1.

    Counts of pixels: owned_areas at any probability, mask_areas where the query's mask probability is at least 0.5,
    owned or not, region_areas with both. A query without a region takes no part.
    """

    classes: np.ndarray
    scores: np.ndarray
    owned_areas: np.ndarray
    mask_areas: np.ndarray
    region_areas: np.ndarray


def number_segments(queries: Queries, labels: LabelMap, overlap_threshold: float) -> np.ndarray:
    """(N,) segment id of each query, from 1 in the order of the queries; 0 if dropped. A stuff class has one id."""
    ids = np.zeros(len(queries.classes), int)
    stuff_ids: dict[int, int] = {}
    for query in np.flatnonzero(queries.region_areas):
        if queries.owned_areas[query] < overlap_threshold * queries.mask_areas[query]:
            continue
        class_id, next_id = int(queries.classes[query]), int(ids.max()) + 1
        ids[query] = next_id if labels[class_id].is_thing else stuff_ids.setdefault(class_id, next_id)
    return ids


def merge_regions(ids: np.ndarray, regions: Sequence[Region]) -> list[Region]:
    """Regions of the queries, which share no pixel → regions of the segments 1, 2, …"""
    return [
        _union([region for region, own_id in zip(regions, ids, strict=True) if own_id == segment_id])
        for segment_id in range(1, int(ids.max(initial=0)) + 1)
    ]


def describe_segments(
    ids: np.ndarray, regions: Sequence[Region], queries: Queries, labels: LabelMap
) -> tuple[Segment, ...]:
    """regions: of the segments 1, 2, … The score of several queries is the mean of theirs, weighted by area."""
    segments = []
    for segment_id, region in enumerate(regions, start=1):
        members = ids == segment_id
        label = labels[int(queries.classes[members][0])]
        score = float(np.average(queries.scores[members], weights=queries.region_areas[members]))
        segments.append(Segment(segment_id, label.id, label.name, label.is_thing, score, **vars(region)))
    return tuple(segments)


def _union(regions: Sequence[Region]) -> Region:
    if len(regions) == 1:
        return regions[0]
    areas = [region.area for region in regions]
    boxes = np.array([region.box_xyxy for region in regions])
    x_min, y_min = boxes[:, :2].min(axis=0).tolist()
    x_max, y_max = boxes[:, 2:].max(axis=0).tolist()
    x_mean, y_mean = np.average([region.centroid_xy for region in regions], axis=0, weights=areas).tolist()
    return Region(sum(areas), (x_min, y_min, x_max, y_max), (x_mean, y_mean))
