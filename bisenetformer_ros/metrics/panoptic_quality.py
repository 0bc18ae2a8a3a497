"""Panoptic quality ("Panoptic Segmentation", Kirillov et al., CVPR 2019), with the same numbers as COCO's panopticapi.

Where the definition leaves a choice, panopticapi decides: of several crowds of a class in one image only the last
excuses predictions, and a ground truth segment without pixels is a miss.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.labels import Label
from bisenetformer_ros.metrics.overlap import Overlap, count_overlap

VOID = 0
VOID_CLASS = -1


@dataclass(frozen=True)
class Quality:
    """pq = sq · rq, fractions of 0 to 1, nan if n is 0; n is the number of classes averaged over."""

    pq: float
    sq: float
    rq: float
    n: int

    def to_dict(self) -> dict[str, float]:
        """Convert pq, sq and rq to JSON types, with 0 for classes that do not occur, as in panopticapi."""
        return {name: getattr(self, name) if self.n else 0.0 for name in ("pq", "sq", "rq")}


@dataclass(frozen=True)
class PanopticQualityResult:
    """Means over the classes that occur: all, things and stuff; `per_class` is indexed by class id."""

    all: Quality
    things: Quality
    stuff: Quality
    per_class: tuple[Quality, ...]

    def to_dict(self, class_ids: Iterable[int] | None = None) -> dict[str, Any]:
        """Convert to panopticapi's layout in JSON types; `class_ids` replace the ids 0..K-1 there."""
        ids = range(len(self.per_class)) if class_ids is None else class_ids
        means = {"All": self.all, "Things": self.things, "Stuff": self.stuff}
        content: dict[str, Any] = {name: quality.to_dict() | {"n": quality.n} for name, quality in means.items()}
        content["per_class"] = {str(i): quality.to_dict() for i, quality in zip(ids, self.per_class, strict=True)}
        return content


class Hit(NamedTuple):
    """A predicted segment and the ground truth segment it matches, with an `iou` above 0.5."""

    pred_id: int
    gt_id: int
    class_id: int
    iou: float


@dataclass(frozen=True)
class SegmentMatches:
    """Matches of one image; predictions that void or a crowd excuses, and crowds, are in none of the fields.

    Attributes:
        hits: Matched pairs.
        false_positives: Segment id → class id in the prediction.
        misses: Segment id → class id in the ground truth.
    """

    hits: Sequence[Hit]
    false_positives: Mapping[int, int]
    misses: Mapping[int, int]


class PanopticQuality:
    """Accumulates matches over all images; the means are over classes.

    Args:
        labels: Classes in the order of their ids, which count from 0.
    """

    def __init__(self, labels: Iterable[Label]) -> None:
        self._is_thing = np.array([label.is_thing for label in labels], bool)
        num_classes = len(self._is_thing)
        self._iou_sum = np.zeros(num_classes)
        self._true_positives = np.zeros(num_classes, np.int64)
        self._false_positives = np.zeros(num_classes, np.int64)
        self._false_negatives = np.zeros(num_classes, np.int64)

    def update(
        self,
        pred_map: np.ndarray,
        pred_segments: Mapping[int, int],
        gt_map: np.ndarray,
        gt_segments: Mapping[int, int],
        crowd_ids: Collection[int] = (),
    ) -> SegmentMatches:
        """Match the segments of an image and count them.

        Args:
            pred_map: Integer array, segment id per pixel, 0 = void.
            pred_segments: Id → class id.
            gt_map: Integer array of the same shape, likewise.
            gt_segments: Id → class id.
            crowd_ids: Ground truth segments that stand for many instances; they match nothing and excuse predictions
                of their class inside them.

        Returns:
            What was counted.

        Raises:
            InputError: Shapes differ, classes are unknown, a map has ids that its segments do not list, or predicted
                segments have no pixels.
        """
        overlap = segment_overlap(pred_map, pred_segments, gt_map, gt_segments)
        problems = [
            *_class_problems("prediction", pred_segments, len(self._is_thing)),
            *_class_problems("ground truth", gt_segments, len(self._is_thing)),
            *_map_problems("prediction", overlap.unlisted_pred_ids, segments_without_pixels(overlap, pred_segments)),
            *_map_problems("ground truth", overlap.unlisted_gt_ids, []),
        ]
        if problems:
            raise InputError("; ".join(problems))
        matches = match_segments(overlap, pred_segments, gt_segments, crowd_ids)
        self.add(matches)
        return matches

    def add(self, matches: SegmentMatches) -> None:
        """Count the matches of one image."""
        classes = [hit.class_id for hit in matches.hits]
        np.add.at(self._iou_sum, classes, [hit.iou for hit in matches.hits])
        np.add.at(self._true_positives, classes, 1)
        np.add.at(self._false_positives, list(matches.false_positives.values()), 1)
        np.add.at(self._false_negatives, list(matches.misses.values()), 1)

    def result(self) -> PanopticQualityResult:
        """Return the measures over all images so far."""
        per_class = tuple(map(self._class_quality, range(len(self._is_thing))))
        of_kind = list(zip(per_class, self._is_thing, strict=True))
        return PanopticQualityResult(
            all=_mean(per_class),
            things=_mean([quality for quality, is_thing in of_kind if is_thing]),
            stuff=_mean([quality for quality, is_thing in of_kind if not is_thing]),
            per_class=per_class,
        )

    def _class_quality(self, class_id: int) -> Quality:
        hits = int(self._true_positives[class_id])
        denominator = hits + 0.5 * (self._false_positives[class_id] + self._false_negatives[class_id])
        if denominator == 0:
            return Quality(float("nan"), float("nan"), float("nan"), 0)
        iou_sum = float(self._iou_sum[class_id])
        return Quality(float(iou_sum / denominator), iou_sum / hits if hits else 0.0, float(hits / denominator), 1)


def image_pq(matches: SegmentMatches, labels: Iterable[Label]) -> float:
    """Return the PQ over the classes of one image, nan if it has no segments."""
    quality = PanopticQuality(labels)
    quality.add(matches)
    return quality.result().all.pq


def segment_overlap(
    pred_map: np.ndarray, pred_segments: Collection[int], gt_map: np.ndarray, gt_segments: Collection[int]
) -> Overlap:
    """Count the overlap with void among the ids, first in the ground truth, and in the prediction unless it lists 0.

    Raises:
        InputError: The shapes differ, or the ground truth lists 0.
    """
    if VOID in gt_segments:
        raise InputError(f"the ground truth lists a segment with id {VOID}, which means void")
    pred_ids = list(pred_segments) if VOID in pred_segments else [VOID, *pred_segments]
    return count_overlap(pred_map, pred_ids, gt_map, [VOID, *gt_segments])


def segments_without_pixels(overlap: Overlap, pred_segments: Collection[int]) -> list[int]:
    """Return the listed ids of the prediction that its map does not have."""
    return [i for i in overlap.pred_ids[overlap.pred_areas == 0].tolist() if i in pred_segments]


def match_segments(
    overlap: Overlap,
    pred_segments: Mapping[int, int],
    gt_segments: Mapping[int, int],
    crowd_ids: Collection[int] = (),
    gt_areas: Mapping[int, float] | None = None,
) -> SegmentMatches:
    """Match segments of the same class with an intersection over union above 0.5.

    Args:
        overlap: From `segment_overlap`. Unlisted ids of the ground truth belong to no segment, but are not void.
        pred_segments: Id → class id.
        gt_segments: Id → class id.
        crowd_ids: See `PanopticQuality.update`.
        gt_areas: Id → pixels, where they differ from the map.
    """
    shared, pred_areas, pred_in_void = overlap.shared[1:, 1:], overlap.pred_areas, overlap.shared[1:, 1]
    pred_classes = np.array([pred_segments.get(i, VOID_CLASS) for i in overlap.pred_ids.tolist()])
    gt_ids = overlap.gt_ids.tolist()
    gt_classes = np.array([VOID_CLASS if i in crowd_ids else gt_segments.get(i, VOID_CLASS) for i in gt_ids])
    true_areas = overlap.gt_areas
    if gt_areas is not None:
        true_areas = np.array([gt_areas.get(i, area) for i, area in zip(gt_ids, true_areas.tolist(), strict=True)])

    same_class = (pred_classes[:, None] == gt_classes) & (gt_classes != VOID_CLASS)
    union = pred_areas[:, None] + true_areas - shared - pred_in_void[:, None]
    match = same_class & (shared > 0) & (union > 0) & (2 * shared > union)  # IoU > 0.5, strictly
    false_positive = (pred_classes != VOID_CLASS) & ~match.any(axis=1)
    false_positive &= (
        2 * (pred_in_void + _pixels_in_crowds(overlap, pred_classes, gt_segments, crowd_ids)) <= pred_areas
    )
    miss = (gt_classes != VOID_CLASS) & ~match.any(axis=0)
    return SegmentMatches(
        hits=[
            Hit(int(overlap.pred_ids[p]), gt_ids[g], int(gt_classes[g]), float(shared[p, g] / union[p, g]))
            for p, g in np.argwhere(match)
        ],
        false_positives={i: pred_segments[i] for i in overlap.pred_ids[false_positive].tolist()},
        misses={i: gt_segments[i] for i in overlap.gt_ids[miss].tolist()},
    )


def _pixels_in_crowds(
    overlap: Overlap, pred_classes: np.ndarray, gt_segments: Mapping[int, int], crowd_ids: Collection[int]
) -> np.ndarray:
    """Count the pixels of each prediction in the last crowd of its class, (P,)."""
    pixels = np.zeros(len(pred_classes), np.int64)
    last_crowds = {class_id: column for column, (i, class_id) in enumerate(gt_segments.items()) if i in crowd_ids}
    for class_id, column in last_crowds.items():
        of_class = pred_classes == class_id
        pixels[of_class] = overlap.shared[1:, 2 + column][of_class]  # after the unlisted and void
    return pixels


def _class_problems(name: str, segments: Mapping[int, int], num_classes: int) -> list[str]:
    unknown = {i: class_id for i, class_id in segments.items() if not 0 <= class_id < num_classes}
    return [f"the {name} has segments of unknown classes {unknown}, expected 0..{num_classes - 1}"] if unknown else []


def _map_problems(name: str, unlisted: list[int], empty: list[int]) -> list[str]:
    problems = []
    if unlisted:
        problems.append(f"the {name} has ids {unlisted[:10]} in its map that its segments do not list")
    if empty:
        problems.append(f"the {name} lists segments {empty[:10]} that have no pixels in its map")
    return problems


def _mean(qualities: Collection[Quality]) -> Quality:
    seen = [quality for quality in qualities if quality.n]
    if not seen:
        return Quality(float("nan"), float("nan"), float("nan"), 0)
    pq, sq, rq = np.mean([(quality.pq, quality.sq, quality.rq) for quality in seen], axis=0).tolist()
    return Quality(pq, sq, rq, n=len(seen))
