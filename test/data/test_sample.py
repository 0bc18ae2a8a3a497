import cv2
import numpy as np
import pytest

from bisenetformer_ros.data.sample import (
    MIN_INSTANCE_AREA,
    Sample,
    connected_instances,
    count_classes,
    panoptic_ground_truth,
)
from bisenetformer_ros.data.transforms import Augmentation, augment
from bisenetformer_ros.labels import LabelMap

LABELS = LabelMap.load("camvid11")
ROAD, CAR, PEDESTRIAN = 3, 8, 9

LABEL_MAP = np.array([[ROAD, CAR, CAR, CAR, 255, PEDESTRIAN, PEDESTRIAN, ROAD]], np.uint8)
INSTANCE_MAP = np.array([[0, 4, 4, -8, 0, 0, 4, 0]], np.int32)


def test_segments_are_stuff_classes_instances_and_crowds() -> None:
    segment_map, segments, crowd_ids = panoptic_ground_truth(LABEL_MAP, INSTANCE_MAP, LABELS)
    road, car, crowd, pedestrian = (int(segment_map[0, column]) for column in (0, 1, 3, 6))
    assert segment_map.tolist() == [[road, car, car, crowd, 0, 0, pedestrian, road]]
    assert segments == {road: ROAD, car: CAR, crowd: CAR, pedestrian: PEDESTRIAN}
    assert crowd_ids == {crowd}
    assert segment_map.dtype == np.int32


def test_crowds_survive_augmentation() -> None:
    stripes = np.tile(np.repeat([300, -26], 4), (64, 8)).astype(np.int32)
    sample = Sample("crowd", np.zeros((64, 64, 3), np.uint8), np.full((64, 64), CAR, np.uint8), stripes)
    settings = Augmentation((32, 32), (0.5, 2.0), "uniform", 1.0, 0.0, 1.0, 18.0, (1.0, 1.0), (0.0, 0.0))
    for seed in range(5):
        augmented = augment(sample, np.random.default_rng(seed), settings)
        covered = augmented.label_map == CAR
        assert set(np.unique(augmented.instance_map[covered])) == {-26, 300}


def test_instances_are_the_connected_components_of_each_thing_class() -> None:
    picture = [
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCCPPPPP.CCCCCC",
        "......PPPPPC......",  # touches the right car by a corner
        "......PPPPP.......",
        "C.....PPPPP.....P.",  # too small
        "......PPPPP.......",
    ]
    codes = {".": ROAD, "C": CAR, "P": PEDESTRIAN}
    label_map = np.array([[codes[letter] for letter in row] for row in picture], np.uint8)
    instances = connected_instances(label_map, thing_ids=(CAR, PEDESTRIAN))
    expected = np.zeros(label_map.shape, np.int32)
    expected[:5, :6] = 1
    expected[:5, 12:] = 2
    expected[5, 11] = 2
    expected[4:, 6:11] = 3
    np.testing.assert_array_equal(instances, expected)


@pytest.mark.parametrize("seed", range(6))
def test_instances_are_numbered_as_in_whole_images(seed: int) -> None:
    """Against the components of each whole class image, in OpenCV's order; blobs of all shapes at any offset."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.random((101, 143)), (0, 0), 1.5 + seed / 2)
    label_map = np.digitize(noise, np.quantile(noise, [0.2, 0.4, 0.6, 0.8])).astype(np.uint8)
    label_map[:, : 13 * seed] = 255
    expected, found = np.zeros(label_map.shape, np.int32), 0
    for class_id in (1, 3, 4, 7):
        count, components = cv2.connectedComponents((label_map == class_id).astype(np.uint8), connectivity=8)
        for component in range(1, count):
            if (components == component).sum() >= MIN_INSTANCE_AREA:
                found += 1
                expected[components == component] = found
    np.testing.assert_array_equal(connected_instances(label_map, (1, 3, 4, 7)), expected)
    assert found > 5


@pytest.mark.parametrize("seed", range(3))
def test_segments_by_their_definition(seed: int) -> None:
    """Classes ascending, and the instances of a thing ascending: one mask per segment."""
    rng = np.random.default_rng(seed)
    label_map = rng.choice(np.array([ROAD, CAR, PEDESTRIAN, 255], np.uint8), (41, 53))
    label_map[:7], label_map[:, :5] = ROAD, 255
    instance_map = rng.integers(-2, 6, label_map.shape).astype(np.int32)
    segment_map, segments, crowd_ids = panoptic_ground_truth(label_map, instance_map, LABELS)
    keys = [(ROAD, None), *((thing, i) for thing in (CAR, PEDESTRIAN) for i in (-2, -1, 1, 2, 3, 4, 5))]
    assert list(segments.values()) == [class_id for class_id, _ in keys]
    assert crowd_ids == {number for number, (_, i) in enumerate(keys, start=1) if i is not None and i < 0}
    expected = np.zeros(label_map.shape, int)
    for number, (class_id, i) in enumerate(keys, start=1):
        expected[(label_map == class_id) & (True if i is None else instance_map == i)] = number
    np.testing.assert_array_equal(segment_map, expected)


def test_pixels_are_counted_by_class() -> None:
    label_map = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    for view in (label_map, label_map[3:20, 5:9], label_map[:0]):
        assert count_classes(view).tolist() == [int((view == value).sum()) for value in range(256)]


def test_instances_are_read_once_and_only_when_asked_for() -> None:
    reads = []

    def read() -> np.ndarray:
        reads.append(1)
        return INSTANCE_MAP

    sample = Sample("lazy", np.zeros((1, 8, 3), np.uint8), LABEL_MAP, read)
    settings = Augmentation((32, 32), (0.5, 2.0), "uniform", 1.0, 0.5, 1.0, 18.0, (1.0, 1.0), (0.0, 0.0))
    augmented = augment(sample, np.random.default_rng(0), settings)
    assert reads == []
    assert augmented.instance_map.shape == (32, 32)
    assert sample.instance_map is INSTANCE_MAP
    assert reads == [1]


def test_the_least_instance_has_the_least_area() -> None:
    label_map = np.full((3, 2 * MIN_INSTANCE_AREA + 1), ROAD, np.uint8)
    label_map[1, :MIN_INSTANCE_AREA] = CAR
    label_map[1, MIN_INSTANCE_AREA + 2 :] = CAR
    areas = np.bincount(connected_instances(label_map, (CAR,)).reshape(-1))
    assert areas[1:].tolist() == [MIN_INSTANCE_AREA]
