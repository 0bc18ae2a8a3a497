"""Mean intersection over union: one confusion matrix over all images, as cityscapesScripts counts it."""

from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.results import UNLABELED


@dataclass(frozen=True, eq=False)
class MeanIoUResult:
    """Shares of 0..1; nan where nothing was seen.

    miou: the mean over classes that occur in a target or a prediction. per_class_iou: (K,), nan for the others.
    pixel_accuracy: correct pixels of all that are not ignored.
    confusion: (K, K + 1) int64, pixels of true class (row) by predicted class; last column: no class predicted.
    """

    miou: float
    per_class_iou: np.ndarray
    pixel_accuracy: float
    confusion: np.ndarray

    @classmethod
    def of(cls, confusion: np.ndarray) -> "MeanIoUResult":
        """The measures of a confusion matrix."""
        correct = np.diag(confusion).astype(float)
        total = confusion.sum()
        union = confusion.sum(axis=1) + confusion[:, :-1].sum(axis=0) - correct
        iou = np.divide(correct, union, out=np.full(len(confusion), np.nan), where=union > 0)
        seen = iou[union > 0]
        return cls(
            miou=float(seen.mean()) if seen.size else float("nan"),
            per_class_iou=iou,
            pixel_accuracy=float(correct.sum() / total) if total else float("nan"),
            confusion=confusion,
        )


class MeanIoU:
    """Collects predictions and targets; pixels whose target is `ignore_index` (0..255) count nowhere."""

    def __init__(self, num_classes: int, ignore_index: int = UNLABELED) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self._confusion = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, prediction: np.ndarray, target: np.ndarray) -> MeanIoUResult:
        """prediction, target: integer arrays of one shape, class ids 0..K-1.

        Any other predicted value means "no class" and is a miss of the target's class.
        Returns the measures of this image alone.
        Raises InputError if the shapes differ or a target is neither a class nor `ignore_index`.
        """
        if prediction.shape != target.shape:
            raise InputError(f"prediction is {prediction.shape}, target is {target.shape}; expected the same shape")
        pairs = _count_pairs(prediction, self._target_bytes(target))
        pairs[self.ignore_index] = 0
        confusion = np.zeros_like(self._confusion)
        confusion[:, :-1] = pairs[: self.num_classes, : self.num_classes]
        confusion[:, -1] = pairs[: self.num_classes, self.num_classes :].sum(axis=1)
        if pairs[self.num_classes :].any():
            self._refuse(np.flatnonzero(pairs.any(axis=1)))
        self._confusion += confusion
        return MeanIoUResult.of(confusion)

    def result(self) -> MeanIoUResult:
        """The measures over everything seen so far."""
        return MeanIoUResult.of(self._confusion.copy())

    def _target_bytes(self, target: np.ndarray) -> np.ndarray:
        if target.dtype != np.uint8 and target.size and not 0 <= target.min() <= target.max() <= 255:
            self._refuse(target[target != self.ignore_index])
        return target.astype(np.uint8, copy=False)

    def _refuse(self, targets: np.ndarray) -> None:
        raise InputError(
            f"targets span {targets.min()}..{targets.max()}, expected 0..{self.num_classes - 1} "
            f"or {self.ignore_index} (ignored)"
        )


def _count_pairs(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(256, 256) pixels by target and prediction; a prediction beyond a byte counts as 255, which is no class."""
    if prediction.dtype != np.uint8:
        prediction = np.where((prediction >= 0) & (prediction < 255), prediction, 255).astype(np.uint8)
    pairs = target.astype(np.uint16)  # two bytes per pixel: both ids in one number
    pairs <<= 8
    pairs |= prediction
    return np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
