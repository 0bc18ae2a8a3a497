import numpy as np

from bisenetformer_ros.data.sample import Sample, panoptic_ground_truth
from bisenetformer_ros.data.transforms import augment
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
    for seed in range(5):
        augmented = augment(sample, np.random.default_rng(seed), (32, 32), (0.5, 2.0))
        covered = augmented.label_map == CAR
        assert set(np.unique(augmented.instance_map[covered])) == {-26, 300}
