"""CamVid: Brostow et al., "Semantic object classes in video", 2009; 480×360 frames, 11 classes, split of SegNet.

CamVid has no instance labels. Connected components of thing pixels stand in for them: touching objects become one.
"""

from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

SPLITS = ("train", "val", "test")
MIN_INSTANCE_AREA = 25
"""Components of fewer pixels are specks of labelling noise, not objects."""

_FILE_UNLABELED = 11
_JPEG_END = b"\xff\xd9"
_LAYOUT = "expected ROOT/{train,val,test}/NAME.jpg with NAME.png beside it (uint8 class ids 0..10, 11 = unlabelled)"


class CamVid:
    """One or several splits of CamVid, in recording order.

    Raises DataError for a missing split, an image without labels or an unreadable file.
    """

    def __init__(self, root: str | Path, splits: tuple[str, ...] = ("train",)) -> None:
        self.labels = LabelMap.load("camvid11")
        self.image_paths: list[Path] = []
        for split in splits:
            if split not in SPLITS:
                raise DataError(f"CamVid has the splits {', '.join(SPLITS)}, not '{split}'")
            images = sorted((Path(root) / split).glob("*.jpg"))
            if not images:
                raise DataError(f"no images in {Path(root) / split}; {_LAYOUT}")
            unlabelled = [path.name for path in images if not path.with_suffix(".png").is_file()]
            if unlabelled:
                raise DataError(f"{Path(root) / split}: no label PNG for {', '.join(unlabelled[:5])}; {_LAYOUT}")
            self.image_paths += images

    def __len__(self) -> int:
        return len(self.image_paths)

    def __getitem__(self, index: int) -> Sample:
        path = self.image_paths[index]
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        file_labels = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_UNCHANGED)
        is_whole = path.read_bytes().endswith(_JPEG_END)  # OpenCV paints the missing part of a cut JPEG grey
        if bgr is None or file_labels is None or not is_whole:
            raise DataError(f"cannot read {path} or its label PNG: the file is damaged")
        if file_labels.shape != bgr.shape[:2] or file_labels.max() > _FILE_UNLABELED:
            raise DataError(
                f"{path.with_suffix('.png')}: shape {file_labels.shape}, largest value {file_labels.max()}; {_LAYOUT}"
            )
        label_map = np.where(file_labels == _FILE_UNLABELED, UNLABELED, file_labels).astype(np.uint8)
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        return Sample(path.stem, rgb, label_map, connected_instances(label_map, self.labels.thing_ids))


def connected_instances(label_map: np.ndarray, thing_ids: tuple[int, ...]) -> np.ndarray:
    """(H, W) uint8 labels → (H, W) int32: 8-connected components of each thing class numbered from 1, 0 elsewhere."""
    instances = np.zeros(label_map.shape, np.int32)
    next_id = 1
    for class_id in thing_ids:
        count, components, stats, _ = cv2.connectedComponentsWithStats(
            (label_map == class_id).astype(np.uint8), connectivity=8
        )
        for component in range(1, count):
            if stats[component, cv2.CC_STAT_AREA] >= MIN_INSTANCE_AREA:
                instances[components == component] = next_id
                next_id += 1
    return instances
