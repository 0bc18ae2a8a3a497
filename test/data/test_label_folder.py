from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.data.label_folder import LabelFolder
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.labels import LabelMap

LABELS = LabelMap.load("camvid11")
CAR, ROAD = 8, 3


def test_values_that_are_no_class_are_ignored_and_cars_that_do_not_touch_are_two(tmp_path: Path) -> None:
    pixels = np.full((20, 30), ROAD, np.uint8)
    pixels[2:10, 2:10] = pixels[2:10, 15:23] = CAR
    pixels[19] = 11
    pixels[18] = 255
    cv2.imwrite(str(tmp_path / "a.b.png"), pixels)
    label_map, instances = LabelFolder(tmp_path).load("a.b", LABELS)
    np.testing.assert_array_equal(label_map, np.where(pixels == 11, 255, pixels))
    assert instances[5, 5] != instances[5, 18]
    assert np.count_nonzero(instances) == 2 * 8 * 8


def test_a_frame_without_labels_has_no_truth(tmp_path: Path) -> None:
    assert LabelFolder(tmp_path).load("a", LABELS) is None


@pytest.mark.parametrize("pixels", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint16)])
def test_pictures_that_are_no_label_maps_are_refused(tmp_path: Path, pixels: np.ndarray) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    with pytest.raises(DataError, match=r"a\.png is \(4, 4.*expected an 8-bit image of one channel"):
        LabelFolder(tmp_path).load("a", LABELS)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.png is unreadable"):
        LabelFolder(tmp_path).load("a", LABELS)
