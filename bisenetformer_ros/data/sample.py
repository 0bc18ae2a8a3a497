"""One labelled image, in the form that every data set delivers."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import counted, first_of
from bisenetformer_ros.results import UNLABELED

MIN_INSTANCE_AREA = 25
"""Smaller components, in pixels, are specks of labelling noise."""

Instances = np.ndarray | Callable[[], np.ndarray]
"""An instance map, or a function that reads or computes it, for the semantic task does without."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One image with its labels.

    Attributes:
        name: Unique within a split.
        rgb: (H, W, 3) uint8.
        label_map: (H, W) uint8 class ids, 255 = ignore.
        instances: The instance map, or a function that returns it.
        video: Name of the video of which it is the next frame, in which things keep their ids; "" for a single image.
    """

    name: str
    rgb: np.ndarray
    label_map: np.ndarray
    instances: Instances
    video: str = ""

    @cached_property
    def instance_map(self) -> np.ndarray:
        """(H, W) int32, read or computed on first access, which may raise DataError.

        Above 0: the instance id of a thing. Below 0: a crowd, several things labelled as one region. 0: a thing too
        small to count. Meaningless on stuff and on ignored pixels.
        """
        return self.instances if isinstance(self.instances, np.ndarray) else self.instances()


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


def count_classes(label_map: np.ndarray) -> np.ndarray:
    """Count the pixels of each value of a (H, W) uint8 label map, as (256,) int64."""
    if not label_map.size:
        return np.zeros(256, np.int64)
    # Twice as fast as np.bincount, and exact up to 2^24: it counts integers and converts them to float32 at the end.
    return cv2.calcHist([label_map], [0], None, [256], [0, 256]).ravel().astype(np.int64)


def connected_instances(label_map: np.ndarray, thing_ids: Sequence[int]) -> np.ndarray:
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
    pixels = count_classes(label_map)
    for class_id in thing_ids:
        if pixels[class_id] < MIN_INSTANCE_AREA:
            continue
        box, inside = _box_of(label_map == class_id)
        _, components, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
        found = 1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= MIN_INSTANCE_AREA)  # component 0 is the background
        ids = np.zeros(len(stats), np.int32)
        ids[found] = np.arange(next_id, next_id + len(found))
        next_id += len(found)
        instances[box] += ids[components]  # which is 0 where another class is
    return instances


def _box_of(region: np.ndarray) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return the bounding box of an (H, W) bool region that has pixels, and the region in it as uint8.

    It starts at even pixels: OpenCV numbers components by blocks of 2x2, and so their order is that in the whole image.
    """
    left, top, width, height = cv2.boundingRect(region.view(np.uint8))
    box = (slice(top - top % 2, top + height), slice(left - left % 2, left + width))
    return box, region.view(np.uint8)[box]


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
    of_stuff, things = np.zeros(256, np.int32), []
    segments: dict[int, int] = {}
    crowd_ids = set()
    for class_id in np.flatnonzero(count_classes(label_map)[:UNLABELED]).tolist():
        if not labels[class_id].is_thing:
            segments[len(segments) + 1] = class_id
            of_stuff[class_id] = len(segments)
            continue
        box, inside = _box_of(label_map == class_id)
        pixels = instance_map[box][inside.view(bool)]
        instances = np.unique(pixels)
        ids = np.zeros(len(instances), np.int32)
        for index, instance in enumerate(instances.tolist()):
            if instance != 0:
                segments[len(segments) + 1] = class_id
                ids[index] = len(segments)
            if instance < 0:
                crowd_ids.add(len(segments))
        things.append((box, inside.view(bool), ids[np.searchsorted(instances, pixels)]))
    segment_map = cv2.LUT(label_map, of_stuff)
    for box, region, pixel_ids in things:
        segment_map[box][region] = pixel_ids
    return segment_map, segments, frozenset(crowd_ids)
