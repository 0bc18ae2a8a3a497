"""Mean intersection over union from one confusion matrix over all images, as in cityscapesScripts."""

from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.results import UNLABELED


@dataclass(frozen=True, eq=False)
class MeanIoUResult:
    """Semantic measures as fractions of 0 to 1, nan without pixels.

    Attributes:
        miou: Mean over the classes that occur in a target or a prediction.
        per_class_iou: (K,) float, nan for classes that do not occur.
        pixel_accuracy: Correct pixels of all that are not ignored.
        confusion: (K, K + 1) int64, pixels by true class (row) and predicted class; last column: no class predicted.
    """

    miou: float
    per_class_iou: np.ndarray
    pixel_accuracy: float
    confusion: np.ndarray

    @classmethod
    def of(cls, confusion: np.ndarray) -> "MeanIoUResult":
        """Compute the measures of a confusion matrix, (K, K + 1)."""
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
    """Accumulates predictions and targets; pixels whose target is `ignore_index` (0..255) do not count."""

    def __init__(self, num_classes: int, ignore_index: int = UNLABELED) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self._confusion = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, prediction: np.ndarray, target: np.ndarray) -> MeanIoUResult:
        """Add an image.

        Args:
            prediction: Integer array of class ids 0..K-1; any other value means "no class" and misses the target's.
            target: Integer array of the same shape, class ids 0..K-1 or `ignore_index`.

        Returns:
            The measures of this image.

        Raises:
            InputError: The shapes differ, or a target is neither a class nor `ignore_index`.
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
        """Return the measures over all images so far."""
        return MeanIoUResult.of(self._confusion.copy())

    def _target_bytes(self, target: np.ndarray) -> np.ndarray:
        if target.dtype != np.uint8 and target.size and not 0 <= target.min() <= target.max() <= 255:
            self._refuse(target[target != self.ignore_index])
        return target.astype(np.uint8, copy=False)

    def _refuse(self, targets: np.ndarray) -> None:
        raise InputError(
            f"targets range over {targets.min()}..{targets.max()}, expected 0..{self.num_classes - 1} "
            f"or {self.ignore_index} (ignored)"
        )


def _count_pairs(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Count (256, 256) pixels by target and prediction; predictions outside a byte count as 255, no class."""
    if prediction.dtype != np.uint8:
        prediction = np.where((prediction >= 0) & (prediction < 255), prediction, 255).astype(np.uint8)
    pairs = target.astype(np.uint16)  # both ids in one number
    pairs <<= 8
    pairs |= prediction
    return np.bincount(pairs.ravel(), minlength=1 << 16).reshape(256, 256)
