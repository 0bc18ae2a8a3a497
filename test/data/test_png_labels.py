from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.data.png_labels import ValueTable
from bisenetformer_ros.errors import DataError

FILE = Path("labels/a.png")


def test_numbers_become_classes() -> None:
    table = ValueTable({7: 0, 30000: 1, 8: 1, 0: 255})
    classes = table.to_classes(np.array([[7, 30000, 8], [0, 0, 7]], np.uint16), FILE)
    assert classes.tolist() == [[0, 1, 1], [255, 255, 0]]
    assert classes.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bytes_are_converted_like_wider_numbers(dtype: type) -> None:
    """Bytes have a table of their own."""
    class_of = {0: 255, **{value: value % 7 for value in range(3, 256, 4)}}
    values = np.random.default_rng(0).choice(list(class_of), (20, 30)).astype(dtype)
    classes = ValueTable(class_of).to_classes(values, FILE)
    assert classes.tolist() == [[class_of[value] for value in row] for row in values.tolist()]
    assert classes.dtype == np.uint8
    values[4, 5] = 4
    with pytest.raises(DataError, match=r"^labels/a.png \(30x20\) has the values 4 \(1 pixel\); expected 0, 3, 7"):
        ValueTable(class_of).to_classes(values, FILE)


def test_colours_become_classes() -> None:
    table = ValueTable({0x804080: 0, 0x00008E: 1, 0: 255}, is_color=True)
    pixels = np.array([[[128, 64, 128], [0, 0, 142]], [[0, 0, 0], [128, 64, 128]]], np.uint8)
    assert table.to_classes(pixels, FILE).tolist() == [[0, 1], [255, 0]]


def test_values_can_be_class_ids() -> None:
    classes = np.array([[0, 1, 2, 255]], np.uint8)
    assert ValueTable.identity(3).to_classes(classes, FILE).tolist() == classes.tolist()


@pytest.mark.parametrize(
    ("table", "pixels", "message"),
    [
        (ValueTable({3: 0}), [[3, 4, 2, 4]], r"\(4x1\) has the values 2 \(1 pixel\), 4 \(2 pixels\); expected 3$"),
        (ValueTable({3: 0}), [[3, 65535]], r"65535 \(1 pixel\); expected 3$"),
        (ValueTable.identity(3), [[3]], r"the values 3 \(1 pixel\); expected 0, 1, 2, 255$"),
        (
            ValueTable({1: 0}, is_color=True),
            [[[0, 0, 1], [255, 0, 9]]],
            r"values #ff0009 \(1 pixel\); expected #000001",
        ),
        (ValueTable({1: 0}), [[[0, 0, 1]]], "has three channels, colours; expected numbers: 1"),
        (ValueTable({1: 0}, is_color=True), [[1]], "has one channel, numbers; expected colours: #000001"),
        (ValueTable(dict.fromkeys(range(20), 0)), [range(20, 30)], "24 .1 pixel. and 5 more; .*, 11 and 8 more"),
    ],
)
def test_other_values_are_reported_with_their_file(table: ValueTable, pixels: list, message: str) -> None:
    with pytest.raises(DataError, match=f"^labels/a.png .*{message}"):
        table.to_classes(np.array(pixels, np.uint16 if np.ndim(pixels) == 2 else np.uint8), FILE)
