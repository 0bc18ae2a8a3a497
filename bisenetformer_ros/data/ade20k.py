"""ADE20K, the MIT Scene Parsing benchmark: Zhou et al., CVPR 2017; ADEChallengeData2016.zip, 150 classes.

Two data sets share its images. `ade20k` has the benchmark's labels. In `ade20k-panoptic`, 50 classes are stuff and 100
are things; instances from the benchmark's annotations_instance.tar are drawn over the labels, and labelled things
without an instance are void. If Mask2Former's prepare_ade20k_pan_seg.py has prepared a split, its files, which are
equivalent, are read instead.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bisenetformer_ros.data.labeled_images import LabeledImages, concatenate_splits, open_images, require_known
from bisenetformer_ros.data.panoptic_labels import in_folder, open_coco_panoptic
from bisenetformer_ros.data.png_labels import ValueTable, open_png_labels
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import read_label_images
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

_FOLDERS = {"train": "training", "val": "validation"}
_NUM_CLASSES = 150

_TABLE = ValueTable({0: UNLABELED, **{class_id + 1: class_id for class_id in range(_NUM_CLASSES)}})


def open_ade20k(root: Path, splits: Sequence[str]) -> LabeledImages:
    """Open all 150 classes; connected components stand in for instances."""
    require_known(splits, tuple(_FOLDERS), "ADE20K")
    labels = LabelMap.load("ade20k150")
    return concatenate_splits([open_png_labels(root, _patterns(split), labels, _TABLE) for split in splits])


def open_ade20k_panoptic(root: Path, splits: Sequence[str]) -> LabeledImages:
    """Open the stuff of the labels and the instances of the things."""
    require_known(splits, tuple(_FOLDERS), "ADE20K")
    labels = LabelMap.load("ade20k150")
    return concatenate_splits([_open_panoptic_split(root, split, labels) for split in splits])


def _patterns(split: str) -> tuple[str, str]:
    return f"images/{_FOLDERS[split]}/{{name}}.jpg", f"annotations/{_FOLDERS[split]}/{{name}}.png"


def _open_panoptic_split(root: Path, split: str, labels: LabelMap) -> LabeledImages:
    prepared = root / f"ade20k_panoptic_{split}.json"
    if prepared.is_file():
        class_of = {class_id: class_id for class_id in range(_NUM_CLASSES)}  # its names are other synonyms than ours
        locate = in_folder(root / "images" / _FOLDERS[split])
        return open_coco_panoptic(prepared, prepared.with_suffix(""), locate, labels, class_of)
    patterns = (*_patterns(split), f"annotations_instance/{_FOLDERS[split]}/{{name}}.png")
    return open_images(root, patterns, labels, partial(_read_labels, labels.thing_ids))


def _read_labels(thing_ids: tuple[int, ...], label_png: Path, instance_png: Path) -> tuple[np.ndarray, np.ndarray]:
    """R of the instance PNG is the position among the things, from 1; G numbers the instances of the image."""
    values, instances = read_label_images(label_png, instance_png)
    if instances.ndim != 3 or instances[..., 0].max() > len(thing_ids):
        raise DataError(f"{instance_png}: expected colours whose red is at most {len(thing_ids)}")
    stuff = _TABLE.to_classes(values, label_png)
    stuff[np.isin(stuff, thing_ids)] = UNLABELED
    things = np.array([UNLABELED, *thing_ids], np.uint8)[instances[..., 0]]
    numbers = instances[..., 1].astype(np.int32)
    return np.where(numbers > 0, things, stuff), numbers
