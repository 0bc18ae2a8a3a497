"""One labelled image, the form that every data set delivers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED


@dataclass(frozen=True, eq=False)
class Sample:
    """rgb: (H, W, 3) uint8. label_map: (H, W) uint8, 255 = ignore. instance_map: (H, W) int32.

    instance_map is above 0 on instances, the same number on all pixels of one; below 0 on crowds, regions of many
    things that nobody told apart; 0 on things too small to count. On stuff and on ignored pixels it means nothing.
    """

    name: str
    rgb: np.ndarray
    label_map: np.ndarray
    instance_map: np.ndarray


class LabeledDataset(Protocol):
    """Random access to samples with one label map.

    has_instances: whether things were told apart by whoever labelled; else connected components stand in for them.
    """

    labels: LabelMap
    has_instances: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def panoptic_ground_truth(
    label_map: np.ndarray, instance_map: np.ndarray, labels: LabelMap
) -> tuple[np.ndarray, dict[int, int], frozenset[int]]:
    """(H, W) int32 segment ids, 0 = void; {id: class id} of all segments; the ids of those that are crowds.

    A segment is a stuff class, an instance of a thing, or a crowd. Pixels that are ignored, and pixels of things that
    belong to no instance, are void.
    """
    segment_map = np.zeros(label_map.shape, np.int32)
    segments: dict[int, int] = {}
    crowd_ids = set()
    for class_id in np.unique(label_map[label_map != UNLABELED]):
        of_class = label_map == class_id
        if labels[class_id].is_thing:
            instances = np.unique(instance_map[of_class])
            regions = [(of_class & (instance_map == instance), instance < 0) for instance in instances if instance != 0]
        else:
            regions = [(of_class, False)]
        for region, is_crowd in regions:
            segments[len(segments) + 1] = int(class_id)
            segment_map[region] = len(segments)
            if is_crowd:
                crowd_ids.add(len(segments))
    return segment_map, segments, frozenset(crowd_ids)
