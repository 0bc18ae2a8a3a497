"""One labelled image, in the form that every data set delivers."""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import counted, first_of
from bisenetformer_ros.results import UNLABELED

MIN_INSTANCE_AREA = 25
"""Smaller components, in pixels, are specks of labelling noise."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its labels.

    Attributes:
        name: Unique within a split.
        rgb: (H, W, 3) uint8.
        label_map: (H, W) uint8 class ids, 255 = ignore.
        instance_map: (H, W) int32. Above 0: the instance id of a thing. Below 0: a crowd, several things labelled as
            one region. 0: a thing too small to count. Meaningless on stuff and on ignored pixels.
        video: Name of the video of which it is the next frame, in which things keep their ids; "" for a single image.
    """

    name: str
    rgb: np.ndarray
    label_map: np.ndarray
    instance_map: np.ndarray
    video: str = ""


class LabeledDataset(Protocol):
    """Random access to samples that share a label map.

    Attributes:
        labels: The classes.
        has_instances: Whether instances were annotated; if not, connected components stand in for them.
    """

    labels: LabelMap
    has_instances: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def known_classes(values: np.ndarray, num_classes: int, ignored: Counter[int]) -> np.ndarray:
    """Convert the values of a label image to class ids; count the others, which are ignored.

    Args:
        values: (H, W) integers.
        num_classes: K.
        ignored: Value → pixels, to add to; without UNLABELED, which is meant to be ignored.

    Returns:
        (H, W) uint8 class ids, 255 = ignore.
    """
    known = (values >= 0) & (values < num_classes)
    others, counts = np.unique(values[~known & (values != UNLABELED)], return_counts=True)
    ignored.update(dict(zip(others.tolist(), counts.tolist(), strict=True)))
    return np.where(known, values, UNLABELED).astype(np.uint8)


def describe_ignored(ignored: Counter[int], num_classes: int) -> str:
    """Describe what `known_classes` has counted; "" for nothing."""
    if not ignored:
        return ""
    values = first_of([f"{value} ({counted(count, 'pixel')})" for value, count in ignored.most_common()])
    return f"label values that are not among the class ids 0 to {num_classes - 1} are ignored: {values}"


def connected_instances(label_map: np.ndarray, thing_ids: tuple[int, ...]) -> np.ndarray:
    """Number the 8-connected components of each thing class from 1, as a stand-in for instance labels.

    Touching objects of a class become one.

    Args:
        label_map: (H, W) uint8.
        thing_ids: Class ids of the things.

    Returns:
        (H, W) int32, 0 elsewhere and on components smaller than `MIN_INSTANCE_AREA`.
    """
    instances = np.zeros(label_map.shape, np.int32)
    next_id = 1
    for class_id in thing_ids:
        count, components, stats, _ = cv2.connectedComponentsWithStats(
            (label_map == class_id).astype(np.uint8), connectivity=8
        )
        for component in range(1, count):
            if stats[component, cv2.CC_STAT_AREA] >= MIN_INSTANCE_AREA:
                instances[components == component] = next_id
                next_id += 1
    return instances


def panoptic_ground_truth(
    label_map: np.ndarray, instance_map: np.ndarray, labels: LabelMap
) -> tuple[np.ndarray, dict[int, int], frozenset[int]]:
    """Split an image into segments: stuff classes, instances of things, and crowds.

    Args:
        label_map: As in `Sample`.
        instance_map: As in `Sample`.
        labels: The classes.

    Returns:
        (H, W) int32 segment ids, 0 = void (ignored pixels, and things without an instance); the class id of each
        segment; the ids of the segments that are crowds.
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
