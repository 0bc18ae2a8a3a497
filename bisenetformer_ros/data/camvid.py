"""CamVid: Brostow et al., "Semantic object classes in video", 2009; 480×360 frames, 11 classes, split of SegNet.

CamVid has no instance labels; connected components stand in for them.
"""

from collections.abc import Sequence
from pathlib import Path

from bisenetformer_ros.data.labeled_images import LabeledImages, join, require_known
from bisenetformer_ros.data.png_labels import open_png_labels
from bisenetformer_ros.data.value_table import ValueTable
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

_FILE_UNLABELED = 11


def open_camvid(root: Path, splits: Sequence[str] = ("train",)) -> LabeledImages:
    """Frames in recording order: NAME.jpg with NAME.png, class ids and 11 = unlabelled, in a folder per split."""
    require_known(splits, ("train", "val", "test"), "CamVid")
    labels = LabelMap.load("camvid11")
    table = ValueTable({**{label.id: label.id for label in labels}, _FILE_UNLABELED: UNLABELED})
    return join(
        [open_png_labels(root, (f"{split}/{{name}}.jpg", f"{split}/{{name}}.png"), labels, table) for split in splits]
    )
