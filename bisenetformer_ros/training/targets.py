"""Ground truth in the form that the loss compares with: one mask and one class per segment."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED


@dataclass(frozen=True, eq=False)
class Target:
    """class_ids: (M,) int64. masks: (M, H, W) uint8, 0 or 1, none of them empty. M may be 0."""

    class_ids: Tensor
    masks: Tensor

    def to(self, device: torch.device) -> "Target":
        return Target(self.class_ids.to(device), self.masks.to(device))


def panoptic_target(sample: Sample, labels: LabelMap) -> Target:
    """One mask per instance of a thing and one per stuff class that occurs; pixels to ignore are in no mask."""
    class_ids, masks = [], []
    for class_id in np.unique(sample.label_map):
        if class_id == UNLABELED:
            continue
        of_class = sample.label_map == class_id
        if labels[class_id].is_thing:
            instances = [i for i in np.unique(sample.instance_map[of_class]) if i != 0]
            found = [of_class & (sample.instance_map == instance) for instance in instances]
        else:
            found = [of_class]
        masks += found
        class_ids += [int(class_id)] * len(found)
    return _target(class_ids, masks, sample.label_map.shape)


def semantic_target(sample: Sample) -> Target:
    """One mask per class that occurs; pixels to ignore are in no mask."""
    class_ids = [int(class_id) for class_id in np.unique(sample.label_map) if class_id != UNLABELED]
    return _target(class_ids, [sample.label_map == class_id for class_id in class_ids], sample.label_map.shape)


def _target(class_ids: list[int], masks: list[np.ndarray], shape: tuple[int, ...]) -> Target:
    stacked = np.stack(masks) if masks else np.zeros((0, *shape), bool)
    return Target(torch.tensor(class_ids, dtype=torch.int64), torch.from_numpy(stacked.astype(np.uint8)))
