"""Panoptic quality, as defined in "Panoptic Segmentation" (Kirillov et al., CVPR 2019) and measured by COCO."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.labels import LabelMap

VOID = 0
VOID_CLASS = -1


@dataclass(frozen=True)
class Quality:
    """pq = sq · rq, shares of 0..1, nan if n is 0. n: classes averaged over (1 or 0 for a single class)."""

    pq: float
    sq: float
    rq: float
    n: int


@dataclass(frozen=True)
class PanopticQualityResult:
    """Means over the classes that occur, over all of them, the things and the stuff; per_class: by class id."""

    all: Quality
    things: Quality
    stuff: Quality
    per_class: tuple[Quality, ...]


class PanopticQuality:
    """Collects panoptic predictions and ground truths; sums over all images, then the mean over classes."""

    def __init__(self, labels: LabelMap) -> None:
        self.labels = labels
        self._iou_sum = np.zeros(len(labels))
        self._true_positives = np.zeros(len(labels), np.int64)
        self._false_positives = np.zeros(len(labels), np.int64)
        self._false_negatives = np.zeros(len(labels), np.int64)

    def update(
        self,
        pred_map: np.ndarray,
        pred_segments: Mapping[int, int],
        gt_map: np.ndarray,
        gt_segments: Mapping[int, int],
        crowd_ids: Collection[int] = (),
    ) -> None:
        """pred_map, gt_map: integer arrays of one shape, segment id per pixel, 0 = void. *_segments: id → class id.

        crowd_ids: segments of the ground truth that stand for many instances; they match nothing and excuse
        predictions of their class that lie in them.
        Raises InputError for differing shapes and for ids in a map that its segments do not list.
        """
        if pred_map.shape != gt_map.shape:
            raise InputError(f"prediction is {pred_map.shape}, ground truth is {gt_map.shape}; expected the same shape")
        pred_index, pred_classes, _ = self._index("prediction", pred_map, pred_segments)
        gt_index, gt_classes, gt_ids = self._index("ground truth", gt_map, gt_segments)
        crowd = np.isin(gt_ids, list(crowd_ids))
        shape = (len(pred_classes), len(gt_classes))
        shared = np.bincount(pred_index * shape[1] + gt_index, minlength=shape[0] * shape[1]).reshape(shape)
        pred_areas, gt_areas, pred_in_void = shared.sum(axis=1), shared.sum(axis=0), shared[:, 0]

        same_class = (pred_classes[:, None] == gt_classes) & (gt_classes != VOID_CLASS)
        union = pred_areas[:, None] + gt_areas - shared - pred_in_void[:, None]
        match = same_class & ~crowd & (2 * shared > union)  # IoU > 0.5, strictly: at most one match per segment
        excused = pred_in_void + (shared * (same_class & crowd)).sum(axis=1)
        false_positive = (
            (pred_classes != VOID_CLASS) & ~match.any(axis=1) & (2 * excused <= pred_areas) & (pred_areas > 0)
        )
        false_negative = (gt_classes != VOID_CLASS) & ~match.any(axis=0) & ~crowd & (gt_areas > 0)

        hits = np.broadcast_to(gt_classes, shape)[match]
        np.add.at(self._iou_sum, hits, shared[match] / union[match])
        np.add.at(self._true_positives, hits, 1)
        np.add.at(self._false_positives, pred_classes[false_positive], 1)
        np.add.at(self._false_negatives, gt_classes[false_negative], 1)

    def result(self) -> PanopticQualityResult:
        """The measures over everything seen so far."""
        per_class = tuple(self._class_quality(label.id) for label in self.labels)
        return PanopticQualityResult(
            all=_mean(per_class),
            things=_mean([quality for quality, label in zip(per_class, self.labels, strict=True) if label.is_thing]),
            stuff=_mean([quality for quality, label in zip(per_class, self.labels, strict=True) if not label.is_thing]),
            per_class=per_class,
        )

    def _index(self, name: str, id_map: np.ndarray, segments: Mapping[int, int]) -> tuple[np.ndarray, ...]:
        """Each pixel's position in the ascending ids, void first; the class of every position; the ids."""
        ids, classes = np.array(sorted({**segments, VOID: VOID_CLASS}.items())).T
        if classes.min() < VOID_CLASS or classes.max() >= len(self.labels):
            raise InputError(
                f"the {name} has classes {classes.min()}..{classes.max()}, expected 0..{len(self.labels) - 1}"
            )
        index = np.minimum(np.searchsorted(ids, id_map.ravel()), len(ids) - 1)
        unknown = np.unique(id_map.ravel()[ids[index] != id_map.ravel()])
        if unknown.size:
            raise InputError(f"the {name} has ids {unknown[:10].tolist()} in its map that its segments do not list")
        return index, classes, ids

    def _class_quality(self, class_id: int) -> Quality:
        hits = int(self._true_positives[class_id])
        denominator = hits + 0.5 * (self._false_positives[class_id] + self._false_negatives[class_id])
        if denominator == 0:
            return Quality(float("nan"), float("nan"), float("nan"), 0)
        iou_sum = float(self._iou_sum[class_id])
        return Quality(float(iou_sum / denominator), iou_sum / hits if hits else 0.0, float(hits / denominator), 1)


def _mean(qualities: Collection[Quality]) -> Quality:
    seen = [quality for quality in qualities if quality.n]
    if not seen:
        return Quality(float("nan"), float("nan"), float("nan"), 0)
    pq, sq, rq = np.mean([(quality.pq, quality.sq, quality.rq) for quality in seen], axis=0).tolist()
    return Quality(pq, sq, rq, n=len(seen))
