"""From the values in a label image to class ids."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.images.files import size_of
from bisenetformer_ros.results import UNLABELED

_UNKNOWN = -1


class ValueTable:
    """class_of: value → class id, 255 = ignore. A value is a number or, with is_color, 65536 R + 256 G + B."""

    def __init__(self, class_of: Mapping[int, int], is_color: bool = False) -> None:
        self.is_color = is_color
        self._class_of = dict(class_of)
        self._table = np.full(max(class_of) + 2, _UNKNOWN, np.int16)  # the last one stands for all that are larger
        self._table[list(class_of)] = list(class_of.values())

    @classmethod
    def identity(cls, num_classes: int) -> "ValueTable":
        """Values that are class ids already, 255 where pixels are to be ignored."""
        return cls({**{class_id: class_id for class_id in range(num_classes)}, UNLABELED: UNLABELED})

    def to_classes(self, pixels: np.ndarray, path: Path) -> np.ndarray:
        """A label image → (H, W) uint8 class ids. Raises DataError that names `path` for values not in the table."""
        if (pixels.ndim == 3) != self.is_color:
            raise DataError(
                f"{path} has {'three channels, colours' if pixels.ndim == 3 else 'one channel, numbers'}; "
                f"expected {'colours' if self.is_color else 'numbers'}: {self._expected()}"
            )
        values = pixels.astype(np.int32)
        if self.is_color:
            values = values @ (65536, 256, 1)
        classes = self._table[np.minimum(values, len(self._table) - 1)]
        if (classes == _UNKNOWN).any():
            unknown, counts = np.unique(values[classes == _UNKNOWN], return_counts=True)
            found = [f"{self._text(value)} ({count} pixels)" for value, count in zip(unknown, counts, strict=True)]
            raise DataError(f"{path} ({size_of(pixels)}) has the values {_shorten(found)}; expected {self._expected()}")
        return classes.astype(np.uint8)

    def _text(self, value: int) -> str:
        return f"#{value:06x}" if self.is_color else str(value)

    def _expected(self) -> str:
        return _shorten([self._text(value) for value in sorted(self._class_of)], most=12)


def _shorten(texts: list[str], most: int = 5) -> str:
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")
