"""Ground truth in the form of the loss: the segments of each image and where they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from bisenetformer_ros.data.sample import Sample, count_classes, panoptic_ground_truth
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED

NO_SEGMENT = -1


@dataclass(frozen=True, eq=False)
class Targets:
    """Segments of B images of one size.

    Attributes:
        class_ids: (M,) int64 per image; M may be 0.
        segment_maps: (B, H, W) int16 index into `class_ids`, or NO_SEGMENT; each segment has at least one pixel.
    """

    class_ids: tuple[Tensor, ...]
    segment_maps: Tensor

    @property
    def counts(self) -> list[int]:
        """Number of segments per image."""
        return [len(class_ids) for class_ids in self.class_ids]

    def classes_of(self, images: Tensor, segments: Tensor) -> Tensor:
        """Return the class ids of (R,) segments in (R,) images, all int64."""
        counts = torch.tensor(self.counts)
        start = (counts.cumsum(0) - counts).to(images.device)
        return torch.cat(self.class_ids)[start[images] + segments]

    def to(self, device: torch.device) -> "Targets":
        class_ids = tuple(ids.to(device, non_blocking=True) for ids in self.class_ids)
        return Targets(class_ids, self.segment_maps.to(device, non_blocking=True))

    def pin_memory(self) -> "Targets":
        """See `Batch.pin_memory`."""
        return Targets(tuple(ids.pin_memory() for ids in self.class_ids), self.segment_maps.pin_memory())

    @staticmethod
    def cat(parts: Sequence["Targets"]) -> "Targets":
        """Concatenate along the batch."""
        return Targets(sum((part.class_ids for part in parts), ()), torch.cat([part.segment_maps for part in parts]))


def panoptic_targets(sample: Sample, labels: LabelMap) -> Targets:
    """One segment per instance of a thing and per stuff class in the image; none for void and crowds."""
    segment_map, segments, crowd_ids = panoptic_ground_truth(sample.label_map, sample.instance_map, labels)
    ids = [segment_id for segment_id in segments if segment_id not in crowd_ids]
    return _targets([segments[segment_id] for segment_id in ids], segment_map, ids)


def semantic_targets(sample: Sample) -> Targets:
    """One segment per class in the image; none for ignored pixels."""
    class_ids = np.flatnonzero(count_classes(sample.label_map)[:UNLABELED]).tolist()
    return _targets(class_ids, sample.label_map, class_ids)


def _targets(class_ids: list[int], id_map: np.ndarray, ids: list[int]) -> Targets:
    index_of = np.full(max(256, int(id_map.max()) + 1), NO_SEGMENT, np.int16)
    index_of[ids] = np.arange(len(ids))
    # Four times as fast as indexing, for ids that fit a byte: nearly always.
    indices = cv2.LUT(id_map.astype(np.uint8), index_of) if len(index_of) == 256 else index_of[id_map]
    return Targets((torch.tensor(class_ids, dtype=torch.int64),), torch.from_numpy(indices)[None])
