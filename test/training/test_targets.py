import numpy as np
import torch

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.training.targets import Targets, panoptic_targets, semantic_targets

LABELS = LabelMap.load("camvid11")
ROAD, CAR, PEDESTRIAN = 3, 8, 9


def sample_of(label_map: list[list[int]], instance_map: list[list[int]]) -> Sample:
    labels = np.array(label_map, np.uint8)
    return Sample("s", np.zeros((*labels.shape, 3), np.uint8), labels, np.array(instance_map, np.int32))


SAMPLE = sample_of(
    [[ROAD, ROAD, CAR, CAR], [ROAD, 255, CAR, CAR], [PEDESTRIAN, 255, ROAD, CAR]],
    [[0, 0, 1, 2], [0, 0, 1, 2], [3, 0, 0, 0]],  # the last car is too small to count
)


def as_pairs(targets: Targets) -> list[tuple[int, list[list[int]]]]:
    """Class and mask of every segment of the only image."""
    (class_ids,), (segment_map,) = targets.class_ids, targets.segment_maps
    assert set(segment_map.flatten().tolist()) <= {-1, *range(len(class_ids))}
    return [(class_id, (segment_map == index).int().tolist()) for index, class_id in enumerate(class_ids.tolist())]


def test_panoptic_has_a_mask_per_thing_and_one_per_stuff_class() -> None:
    assert as_pairs(panoptic_targets(SAMPLE, LABELS)) == [
        (ROAD, [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]),
        (CAR, [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]),
        (CAR, [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]),
        (PEDESTRIAN, [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]),
    ]


def test_semantic_has_a_mask_per_class() -> None:
    assert as_pairs(semantic_targets(SAMPLE)) == [
        (ROAD, [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]),
        (CAR, [[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]),
        (PEDESTRIAN, [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]),
    ]


def test_a_crowd_is_no_target() -> None:
    sample = sample_of([[CAR, CAR, CAR, ROAD]], [[-8, -8, 5, 0]])
    assert as_pairs(panoptic_targets(sample, LABELS)) == [(ROAD, [[0, 0, 0, 1]]), (CAR, [[0, 0, 1, 0]])]
    assert as_pairs(semantic_targets(sample)) == [(ROAD, [[0, 0, 0, 1]]), (CAR, [[1, 1, 1, 0]])]


def test_ids_that_two_classes_share_are_two_things() -> None:
    sample = sample_of([[CAR, PEDESTRIAN]], [[1, 1]])
    assert as_pairs(panoptic_targets(sample, LABELS)) == [(CAR, [[1, 0]]), (PEDESTRIAN, [[0, 1]])]


def test_nothing_to_see_is_no_target() -> None:
    sample = sample_of([[255, CAR]], [[0, 0]])
    targets = panoptic_targets(sample, LABELS)
    assert targets.counts == [0]
    assert targets.segment_maps.tolist() == [[[-1, -1]]]


def test_images_are_joined_in_order() -> None:
    one, other = semantic_targets(sample_of([[CAR, ROAD]], [[1, 0]])), semantic_targets(sample_of([[255, 9]], [[0, 0]]))
    joined = Targets.cat([one, other])
    assert joined.counts == [2, 1]
    assert [ids.tolist() for ids in joined.class_ids] == [[ROAD, CAR], [PEDESTRIAN]]
    assert joined.segment_maps.tolist() == [[[1, 0]], [[-1, 0]]]
    images, segments = torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0])
    assert joined.classes_of(images, segments).tolist() == [PEDESTRIAN, CAR, ROAD]
