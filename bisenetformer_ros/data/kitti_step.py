"""KITTI-STEP: Weber et al., "STEP: Segmenting and Tracking Every Pixel", 2021; 21 videos with labels in every frame.

Reads the tree that deeplab2's instructions for KITTI-STEP lead to: images, and one PNG of classes and tracks per frame.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bisenetformer_ros.data.labeled_images import LabeledImages, concatenate_splits, open_images, require_known
from bisenetformer_ros.data.png_labels import ValueTable
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import read_pixels
from bisenetformer_ros.labels import LabelMap

_THINGS = ("person", "car")
"""The classes with tracks; the other things of Cityscapes are regions."""


def open_kitti_step(root: Path, splits: Sequence[str]) -> LabeledImages:
    """Open the splits train and val; the labels of the test split are not public."""
    if "test" in splits:
        raise DataError("the labels of KITTI-STEP's test split are not public: use val")
    require_known(splits, ("train", "val"), "KITTI-STEP")
    cityscapes = LabelMap.load("cityscapes19").labels
    labels = LabelMap("kitti-step", tuple(replace(label, is_thing=label.name in _THINGS) for label in cityscapes))
    return concatenate_splits([_open_split(root, split, labels) for split in splits])


def _open_split(root: Path, split: str, labels: LabelMap) -> LabeledImages:
    patterns = (f"images/{split}/{{name}}.png", f"panoptic_maps/{split}/{{name}}.png")
    table = ValueTable.identity(len(labels))
    dataset = open_images(root, patterns, labels, partial(_read_labels, labels.thing_ids, table))
    dataset.images = [replace(image, video=image.name.rpartition("/")[0]) for image in dataset.images]
    return dataset


def _read_labels(thing_ids: tuple[int, ...], table: ValueTable, png: Path) -> tuple[np.ndarray, np.ndarray]:
    """R is the class, 256 G + B the number of the track within its class; a thing with 0 belongs to a crowd."""
    pixels = read_pixels(png)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataError(
            f"{png} has {pixels.dtype} pixels of shape {pixels.shape}, expected an RGB PNG with 8 bits per channel: "
            "R is the class, 256 G + B the track"
        )
    blue, green, red = np.moveaxis(pixels.astype(np.int32), 2, 0)
    label_map = table.to_classes(red, png)
    tracks = 256 * green + blue
    numbers = (red << 16) + tracks  # unique among classes
    instance_map = np.where(tracks > 0, numbers, -numbers)
    return label_map, np.where(np.isin(label_map, thing_ids), instance_map, 0)
