"""Which query answers for which ground-truth segment: the assignment of least cost (Carion et al., DETR)."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from bisenetformer_ros.training.points import sample_points, segments_at
from bisenetformer_ros.training.targets import Targets

CLASS_WEIGHT = 2.0
BCE_WEIGHT = 5.0
DICE_WEIGHT = 5.0
"""Weights of the three terms, in the assignment and in the loss alike (section 4.1)."""


class Matches(NamedTuple):
    """Matched pairs of all images, (R,) int64 each, sorted by image and segment: min(N, M) pairs in every image."""

    images: Tensor
    queries: Tensor
    segments: Tensor


@torch.no_grad()
def match(class_logits: Tensor, mask_logits: Tensor, targets: Targets, points: Tensor) -> Matches:
    """Hungarian assignment in every image.

    class_logits (B, N, K+1) and mask_logits (B, N, h, w) in single precision, points (B, P, 2) in 0..1.
    """
    counts = targets.counts
    most = max(counts)
    predicted = sample_points(mask_logits, points)
    expected = segments_at(targets.segment_maps, points, most)
    class_ids = torch.stack([F.pad(ids, (0, most - len(ids))) for ids in targets.class_ids])
    cost = (
        CLASS_WEIGHT * class_cost(class_logits, class_ids)
        + BCE_WEIGHT * bce_cost(predicted, expected)
        + DICE_WEIGHT * dice_cost(predicted, expected)
    )
    cost = cost.nan_to_num().cpu()  # a diverged network gets some assignment; its loss is then seen to be not finite
    pairs = []
    for image, (of_image, count) in enumerate(zip(cost, counts, strict=True)):
        segments, queries = linear_sum_assignment(of_image[:, :count].T.numpy())
        pairs.append(np.stack((np.full_like(queries, image), queries, segments)))
    return Matches(*torch.from_numpy(np.concatenate(pairs, axis=1)).to(points.device))


def class_cost(class_logits: Tensor, class_ids: Tensor) -> Tensor:
    """(B, N, K+1), (B, M) → (B, N, M): minus the probability of the segment's class."""
    of_query = class_ids[:, None].expand(-1, class_logits.shape[1], -1)
    return -class_logits.softmax(dim=2).gather(2, of_query)


def bce_cost(predicted: Tensor, expected: Tensor) -> Tensor:
    """Logits (B, N, P), masks (B, M, P) in 0..1 → (B, N, M): binary cross-entropy, mean over points.

    For a logit x and a mask value t it is softplus(x) - t·x, the second term being a product of matrices.
    """
    of_nothing = F.softplus(predicted).sum(dim=2)[:, :, None]
    return (of_nothing - predicted @ expected.transpose(1, 2)) / predicted.shape[2]


def dice_cost(predicted: Tensor, expected: Tensor) -> Tensor:
    """Logits (B, N, P), masks (B, M, P) in 0..1 → (B, N, M): 1 - (2·overlap + 1) / (sum of areas + 1)."""
    probability = predicted.sigmoid()
    overlap = probability @ expected.transpose(1, 2)
    areas = probability.sum(dim=2)[:, :, None] + expected.sum(dim=2)[:, None]
    return 1 - (2 * overlap + 1) / (areas + 1)
