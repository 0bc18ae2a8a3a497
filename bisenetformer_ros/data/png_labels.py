"""Data sets with a PNG of class values, and optionally one of instance numbers, beside each image."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.data.labeled_images import LabeledImages, open_images
from bisenetformer_ros.data.sample import Instances, connected_instances
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import (
    instance_numbers,
    read_label_image,
    require_8_bits,
    require_same_size,
    size_of,
    without_color,
)
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import counted, first_of
from bisenetformer_ros.results import UNLABELED

_UNKNOWN = -1


class ValueTable:
    """Converts the values in label images to class ids.

    Args:
        class_of: Value → class id, 255 = ignore.
        is_color: Values are colours, 65536 R + 256 G + B, instead of numbers.
    """

    def __init__(self, class_of: Mapping[int, int], is_color: bool = False) -> None:
        self.is_color = is_color
        self._class_of = dict(class_of)
        self._table = np.full(max(class_of) + 2, _UNKNOWN, np.int16)  # the last entry stands for all larger values
        self._table[list(class_of)] = list(class_of.values())
        self._table_of_bytes = self._table[np.minimum(np.arange(256), len(self._table) - 1)]

    @classmethod
    def identity(cls, num_classes: int) -> "ValueTable":
        """The values are the class ids, 255 = ignore."""
        return cls({**{class_id: class_id for class_id in range(num_classes)}, UNLABELED: UNLABELED})

    def to_classes(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        """Convert a label image to (H, W) uint8 class ids.

        Raises:
            DataError: `pixels` has values that are not in the table; the message names `path`.
        """
        pixels = pixels if self.is_color else without_color(pixels)
        if (pixels.ndim == 3) != self.is_color:
            raise DataError(
                f"{path} has {'three channels, colours' if pixels.ndim == 3 else 'one channel, numbers'}; "
                f"expected {'colours' if self.is_color else 'numbers'}: {self._expected()}"
            )
        values = pixels
        if self.is_color:
            require_8_bits(pixels, path)
            values = pixels.astype(np.int32) @ (65536, 256, 1)
        if values.dtype == np.uint8:  # the usual case, in a tenth of the time
            classes = cv2.LUT(values, self._table_of_bytes)
        else:
            classes = self._table[np.minimum(values.astype(np.int32), len(self._table) - 1)]
        if (classes == _UNKNOWN).any():
            unknown, counts = np.unique(values[classes == _UNKNOWN], return_counts=True)
            pairs = zip(unknown.tolist(), counts.tolist(), strict=True)
            found = [f"{self._text(value)} ({counted(count, 'pixel')})" for value, count in pairs]
            raise DataError(f"{path} ({size_of(pixels)}) has the values {first_of(found)}; expected {self._expected()}")
        return classes.astype(np.uint8)

    def _text(self, value: int) -> str:
        return f"#{value:06x}" if self.is_color else str(value)

    def _expected(self) -> str:
        return first_of([self._text(value) for value in sorted(self._class_of)], most=12)


def open_png_labels(
    root: Path, patterns: Sequence[str], labels: LabelMap, table: ValueTable, names: Sequence[str] | None = None
) -> LabeledImages:
    """Open one split.

    Args:
        root, names: See `find_files`.
        patterns: Of the images, their class values and, if things are annotated one by one, their instance numbers.
        labels: The classes.
        table: Meaning of the class values.

    Raises:
        DataError: There are no images.
    """
    has_instances = len(patterns) == 3
    read = partial(_read_numbered, table) if has_instances else partial(_read_components, table, labels.thing_ids)
    return open_images(root, patterns, labels, read, has_instances, names)


def _read_numbered(table: ValueTable, values_png: Path, numbers_png: Path) -> tuple[np.ndarray, Instances]:
    label_map = table.to_classes(read_label_image(values_png), values_png)

    def read_numbers() -> np.ndarray:
        numbers = read_label_image(numbers_png)
        require_same_size(numbers, numbers_png, label_map, values_png)
        return instance_numbers(numbers, numbers_png)

    return label_map, read_numbers


def _read_components(table: ValueTable, thing_ids: Sequence[int], values_png: Path) -> tuple[np.ndarray, Instances]:
    label_map = table.to_classes(read_label_image(values_png), values_png)
    return label_map, partial(connected_instances, label_map, thing_ids)
