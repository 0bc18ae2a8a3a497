"""Ground truth in the form that the loss compares with: one mask and one class per segment."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bisenetformer_ros.data.sample import Sample, panoptic_ground_truth
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
    """One mask per instance of a thing and one per stuff class that occurs; pixels of void and crowds are in no mask."""
    segment_map, segments, crowd_ids = panoptic_ground_truth(sample.label_map, sample.instance_map, labels)
    ids = [segment_id for segment_id in segments if segment_id not in crowd_ids]
    return _target([segments[segment_id] for segment_id in ids], segment_map, ids)


def semantic_target(sample: Sample) -> Target:
    """One mask per class that occurs; pixels to ignore are in no mask."""
    class_ids = [int(class_id) for class_id in np.unique(sample.label_map) if class_id != UNLABELED]
    return _target(class_ids, sample.label_map, class_ids)


def _target(class_ids: list[int], id_map: np.ndarray, ids: list[int]) -> Target:
    masks = id_map[None] == np.asarray(ids, id_map.dtype)[:, None, None]
    return Target(torch.tensor(class_ids, dtype=torch.int64), torch.from_numpy(masks.astype(np.uint8)))
