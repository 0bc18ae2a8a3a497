"""A stand-in for instance labels where a data set has none."""

import cv2
import numpy as np

MIN_INSTANCE_AREA = 25
"""Components of fewer pixels are specks of labelling noise, not objects."""


def connected_instances(label_map: np.ndarray, thing_ids: tuple[int, ...]) -> np.ndarray:
    """(H, W) uint8 labels → (H, W) int32: 8-connected components of each thing class numbered from 1, 0 elsewhere.

    Touching objects of a class become one.
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
