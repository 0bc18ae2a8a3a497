"""Data sets with a PNG of class values, and perhaps one of instance numbers, beside every image."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bisenetformer_ros.data.file_search import find_files
from bisenetformer_ros.data.instances import connected_instances
from bisenetformer_ros.data.labeled_images import LabeledImage, LabeledImages
from bisenetformer_ros.data.value_table import ValueTable
from bisenetformer_ros.images.files import read_label_image, read_label_images
from bisenetformer_ros.labels import LabelMap


def open_png_labels(
    root: Path, patterns: Sequence[str], labels: LabelMap, table: ValueTable, names: Sequence[str] | None = None
) -> LabeledImages:
    """patterns: of the images, of their class values and, where things were told apart, of their instance numbers.

    Pattern and names are `find_files`'s. Raises DataError if there is no image at all.
    """
    files, problems = find_files(root, patterns, names)
    has_instances = len(patterns) == 3
    images = []
    for name, (image, *label_files) in files.items():
        if has_instances:
            read_labels = partial(_read_numbered, *label_files, table)
        else:
            read_labels = partial(_read_components, *label_files, table, labels.thing_ids)
        images.append(LabeledImage(name, image, read_labels))
    return LabeledImages(labels, images, has_instances, problems)


def _read_numbered(values_png: Path, numbers_png: Path, table: ValueTable) -> tuple[np.ndarray, np.ndarray]:
    values, numbers = read_label_images(values_png, numbers_png)
    if numbers.ndim == 3:
        numbers = numbers.astype(np.int32) @ (1, 256, 65536)
    return table.to_classes(values, values_png), numbers.astype(np.int32)


def _read_components(values_png: Path, table: ValueTable, thing_ids: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    label_map = table.to_classes(read_label_image(values_png), values_png)
    return label_map, connected_instances(label_map, thing_ids)
