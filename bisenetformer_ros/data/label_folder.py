"""Label images on disk as the truth that results are measured against."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.data.instances import connected_instances
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

LAYOUT = (
    "expected an 8-bit image of one channel with the model's class ids; values that are no class mean unlabelled "
    "(CamVid as SegNet published it is such a data set)"
)


@dataclass(frozen=True)
class LabelFolder:
    """labels: holds NAME.png for a frame NAME; instances: the same, 16 bit, 0 on stuff, or None without such images.

    class_names: what the ids mean, or None if the labels are taken to be the model's own.
    """

    labels: Path
    instances: Path | None = None
    class_names: tuple[str, ...] | None = None

    def load(self, name: str, labels: LabelMap) -> tuple[np.ndarray, np.ndarray] | None:
        """Labels (H, W) uint8, 255 = ignore, and instances (H, W), 0 = none; None for a frame without labels.

        Without instance images, connected components of things stand in for instances. Raises DataError for a file
        that is not what it should be.
        """
        path = self.labels / f"{name}.png"
        if not path.is_file():
            return None
        label_map = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if label_map is None or label_map.ndim != 2 or label_map.dtype != np.uint8:
            kind = "unreadable" if label_map is None else f"{label_map.shape} {label_map.dtype}"
            raise DataError(f"label image {path} is {kind}; {LAYOUT}")
        label_map = np.where(label_map < len(labels), label_map, np.uint8(UNLABELED))
        if self.instances is None:
            return label_map, connected_instances(label_map, labels.thing_ids)
        return label_map, cv2.imread(str(self.instances / f"{name}.png"), cv2.IMREAD_UNCHANGED)
