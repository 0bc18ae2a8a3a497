"""One labelled image, the form that every data set delivers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED


@dataclass(frozen=True, eq=False)
class Sample:
    """rgb: (H, W, 3) uint8. label_map: (H, W) uint8, 255 = ignore. instance_map: (H, W) int32.

    instance_map is 0 where there is no instance: on stuff, on ignored pixels and on things too small to count.
    """

    name: str
    rgb: np.ndarray
    label_map: np.ndarray
    instance_map: np.ndarray


class LabeledDataset(Protocol):
    """Random access to samples with one label map."""

    labels: LabelMap

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def panoptic_ground_truth(
    label_map: np.ndarray, instance_map: np.ndarray, labels: LabelMap
) -> tuple[np.ndarray, dict[int, int]]:
    """(H, W) int32 segment ids, 0 = void, and {id: class id}: one per stuff class and one per instance of a thing.

    Pixels that are ignored, and pixels of things that belong to no instance, are void.
    """
    segment_map = np.zeros(label_map.shape, np.int32)
    segments: dict[int, int] = {}
    for class_id in np.unique(label_map[label_map != UNLABELED]):
        of_class = label_map == class_id
        if labels[class_id].is_thing:
            instances = np.unique(instance_map[of_class])
            regions = [of_class & (instance_map == instance) for instance in instances if instance != 0]
        else:
            regions = [of_class]
        for region in regions:
            segments[len(segments) + 1] = int(class_id)
            segment_map[region] = len(segments)
    return segment_map, segments
