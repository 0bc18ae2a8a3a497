"""Mean intersection over union: one confusion matrix over all images."""

from dataclasses import dataclass

import numpy as np

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.results import UNLABELED


@dataclass(frozen=True, eq=False)
class MeanIoUResult:
    """Shares of 0..1; nan where nothing was seen.

    miou: the mean over classes that occur in a target or a prediction. per_class_iou: (K,), nan for the others.
    pixel_accuracy: correct pixels of all that are not ignored.
    """

    miou: float
    per_class_iou: np.ndarray
    pixel_accuracy: float


class MeanIoU:
    """Collects predictions and targets; pixels whose target is `ignore_index` count nowhere."""

    def __init__(self, num_classes: int, ignore_index: int = UNLABELED) -> None:
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self._confusion = np.zeros((num_classes, num_classes + 1), np.int64)  # last column: predicted no class

    def update(self, prediction: np.ndarray, target: np.ndarray) -> None:
        """prediction, target: integer arrays of one shape, class ids 0..K-1.

        Any other predicted value means "no class" and is a miss of the target's class.
        Raises InputError if the shapes differ or a target is neither a class nor `ignore_index`.
        """
        if prediction.shape != target.shape:
            raise InputError(f"prediction is {prediction.shape}, target is {target.shape}; expected the same shape")
        counted = target != self.ignore_index
        target = target[counted].astype(np.int64)
        prediction = np.clip(prediction[counted].astype(np.int64), -1, self.num_classes)
        if target.size and not 0 <= target.min() <= target.max() < self.num_classes:
            raise InputError(
                f"targets span {target.min()}..{target.max()}, expected 0..{self.num_classes - 1} "
                f"or {self.ignore_index} (ignored)"
            )
        prediction[prediction < 0] = self.num_classes
        pairs = np.bincount(target * (self.num_classes + 1) + prediction, minlength=self._confusion.size)
        self._confusion += pairs.reshape(self._confusion.shape)

    def result(self) -> MeanIoUResult:
        """The measures over everything seen so far."""
        correct = np.diag(self._confusion).astype(float)
        total = self._confusion.sum()
        union = self._confusion.sum(axis=1) + self._confusion[:, :-1].sum(axis=0) - correct
        iou = np.divide(correct, union, out=np.full(self.num_classes, np.nan), where=union > 0)
        seen = iou[union > 0]
        return MeanIoUResult(
            miou=float(seen.mean()) if seen.size else float("nan"),
            per_class_iou=iou,
            pixel_accuracy=float(correct.sum() / total) if total else float("nan"),
        )
