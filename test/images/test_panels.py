import cv2
import numpy as np
import pytest

from bisenetformer_ros.images.panels import MAX_ROWS, side_by_side, with_legend
from bisenetformer_ros.labels import Label, LabelMap

LABELS = LabelMap.load("camvid11")
RNG = np.random.default_rng(0)
UNUSED = 1
"""Value of the pixels of pictures here; no class colour, text or background has it."""


def picture(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), UNUSED, np.uint8)


def swatches(legend: np.ndarray, labels: LabelMap) -> list[str]:
    """The names of the classes whose colours are in a legend, line by line from left to right."""
    found = []
    for label in labels:
        mask = (legend == label.color).all(axis=2).astype(np.uint8)
        rows, columns = np.nonzero(cv2.erode(mask, np.ones((5, 5), np.uint8)))  # without the rims of letters
        if len(rows):
            found.append((rows.min(), columns.min(), label.name))
    return [name for _, _, name in sorted(found)]


def test_pictures_stand_below_their_headings() -> None:
    pictures = {
        name: RNG.integers(0, 256, (60, width, 3), dtype=np.uint8) for name, width in (("a", 80), ("Truth", 90))
    }
    together = side_by_side(pictures)
    left, right = pictures.values()
    np.testing.assert_array_equal(together[-60:, :80], left)
    np.testing.assert_array_equal(together[-60:, -90:], right)
    headings = together[:-60]
    assert (together[-60:, 80:-90] == 255).all()
    widths = [np.ptp(np.nonzero((part < 128).all(axis=2))[1]) for part in (headings[:, :80], headings[:, -90:])]
    assert 0 < 3 * widths[0] < widths[1] < 90


@pytest.mark.parametrize("size", [(360, 480), (300, 1448), (1080, 1920)])
def test_all_classes_are_shown_in_order(size: tuple[int, int]) -> None:
    rgb = picture(*size)
    whole = with_legend(rgb, LABELS)
    np.testing.assert_array_equal(whole[: size[0]], rgb)
    legend = whole[size[0] :]
    assert swatches(legend, LABELS) == [label.name for label in LABELS]
    assert 0.02 * size[0] < len(legend) < 0.2 * size[0]
    assert ((legend < 100).all(axis=2)).any()  # the names


def test_of_many_classes_the_largest_of_the_picture_are_shown() -> None:
    """At most MAX_ROWS rows, as many in every picture, so that those of a video have one size."""
    colors = RNG.permutation(200)[:150]
    labels = LabelMap("many", tuple(Label(i, f"class {i}", False, (int(c), 7, 250)) for i, c in enumerate(colors)))
    few, none = np.full((120, 160), 255, np.uint8), np.full((120, 160), 255, np.uint8)
    few[:10], few[10:40], few[40:60] = 140, 3, 77
    legend = with_legend(picture(120, 160), labels, few)[120:]
    assert swatches(legend, labels) == ["class 3", "class 77", "class 140"]
    empty = with_legend(picture(120, 160), labels, none)[120:]
    assert empty.shape == legend.shape
    assert (empty == 255).all()
    every = with_legend(picture(120, 160), labels, np.arange(150, dtype=np.uint8).repeat(128).reshape(120, 160))[120:]
    assert every.shape == legend.shape
    assert len(swatches(every, labels)) % MAX_ROWS == 0


def test_two_maps_count_together() -> None:
    labels = LabelMap("many", tuple(Label(i, f"{'name' * 10} {i}", False, (i, 7, 250)) for i in range(50)))
    maps = [np.full((40, 300), class_id, np.uint8) for class_id in (9, 31)]
    legend = with_legend(picture(40, 300), labels, *maps)[40:]
    assert swatches(legend, labels) == [labels[9].name, labels[31].name]


def test_a_tiny_picture() -> None:
    assert with_legend(side_by_side({"image": picture(1, 1), "truth": picture(1, 1)}), LABELS).shape[1] == 6
