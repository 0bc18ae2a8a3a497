import numpy as np

from bisenetformer_ros.data.sample import MIN_INSTANCE_AREA, Sample, connected_instances, panoptic_ground_truth
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


def test_the_least_instance_has_the_least_area() -> None:
    label_map = np.full((3, 2 * MIN_INSTANCE_AREA + 1), ROAD, np.uint8)
    label_map[1, :MIN_INSTANCE_AREA] = CAR
    label_map[1, MIN_INSTANCE_AREA + 2 :] = CAR
    areas = np.bincount(connected_instances(label_map, (CAR,)).reshape(-1))
    assert areas[1:].tolist() == [MIN_INSTANCE_AREA]
