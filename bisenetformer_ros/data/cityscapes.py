"""Cityscapes: Cordts et al., CVPR 2016; 2048×1024 frames, 19 evaluated classes, instances of the 8 things.

Reads leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, unpacked into one folder, as they are. If
cityscapesScripts' createPanopticImgs has prepared a split, its files, which are equivalent, are read instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bisenetformer_ros.data.labeled_images import LabeledImages, concatenate_splits, open_images, require_known
from bisenetformer_ros.data.panoptic_labels import open_coco_panoptic
from bisenetformer_ros.data.png_labels import ValueTable
from bisenetformer_ros.data.sample import Instances
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import instance_numbers, read_label_image, require_same_size, without_color
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

_IDS_OF_CLASSES = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # in order of trainIds
_LAST_ID = 33
_FIRST_INSTANCE = 1000  # instance ids are 1000 · class id + number; lower values are class ids

_TABLE = ValueTable(
    {
        **dict.fromkeys(range(_LAST_ID + 1), UNLABELED),
        **{file_id: class_id for class_id, file_id in enumerate(_IDS_OF_CLASSES)},
    }
)


def open_cityscapes(root: Path, splits: Sequence[str]) -> LabeledImages:
    """Open the splits train and val; the labels of the test split are not public."""
    if "test" in splits:
        raise DataError("the labels of Cityscapes' test split are not public: use val")
    require_known(splits, ("train", "val"), "Cityscapes")
    labels = LabelMap.load("cityscapes19")
    return concatenate_splits([_open_split(root, split, labels) for split in splits])


def _open_split(root: Path, split: str, labels: LabelMap) -> LabeledImages:
    prepared = root / "gtFine" / f"cityscapes_panoptic_{split}.json"
    if prepared.is_file():
        return open_coco_panoptic(prepared, prepared.with_suffix(""), partial(_locate, root, split), labels)
    patterns = (
        f"leftImg8bit/{split}/{{name}}_leftImg8bit.png",
        f"gtFine/{split}/{{name}}_gtFine_labelIds.png",
        f"gtFine/{split}/{{name}}_gtFine_instanceIds.png",
    )
    dataset = open_images(root, patterns, labels, partial(_read_labels, labels.thing_ids))
    dataset.images = [replace(image, name=image.name.rpartition("/")[2]) for image in dataset.images]
    return dataset


def _locate(root: Path, split: str, entry: Mapping[str, Any]) -> tuple[str, Path]:
    """By id: createPanopticImgs writes a file name that no file has."""
    city = entry["id"].partition("_")[0]
    return entry["id"], root / "leftImg8bit" / split / city / f"{entry['id']}_leftImg8bit.png"


def _read_labels(thing_ids: Sequence[int], label_png: Path, instance_png: Path) -> tuple[np.ndarray, Instances]:
    file_ids = without_color(read_label_image(label_png))
    label_map = _TABLE.to_classes(file_ids, label_png)

    def read_instances() -> np.ndarray:
        instance_ids = without_color(read_label_image(instance_png))
        require_same_size(instance_ids, instance_png, file_ids, label_png)
        ids = instance_numbers(instance_ids, instance_png)
        _require_equal_classes(ids, instance_png, file_ids, label_png)
        return _instance_map(ids, label_map, thing_ids)

    return label_map, read_instances


def _require_equal_classes(ids: np.ndarray, instance_png: Path, file_ids: np.ndarray, label_png: Path) -> None:
    others = np.flatnonzero(ids != file_ids)  # instances: a fraction of the pixels, which saves most divisions
    of_others, classes = ids.ravel()[others], file_ids.ravel()[others]
    differs = (of_others < _FIRST_INSTANCE) | (of_others // _FIRST_INSTANCE != classes)
    if differs.any():
        raise DataError(
            f"{instance_png} and {label_png.name} give {np.count_nonzero(differs)} pixels different classes, "
            f"the first of them {of_others[differs][0]} and {classes[differs][0]}; they must come from one archive"
        )


def _instance_map(ids: np.ndarray, label_map: np.ndarray, thing_ids: Sequence[int]) -> np.ndarray:
    """Keep the ids of things. Those without a number are one crowd per class, whose id is the negated file id."""
    is_thing = np.zeros(256, np.uint8)
    is_thing[list(thing_ids)] = 1
    things = cv2.LUT(label_map, is_thing).view(bool)
    of_things = ids[things]
    instance_map = np.zeros_like(ids)
    instance_map[things] = np.where(of_things >= _FIRST_INSTANCE, of_things, -of_things)
    return instance_map
