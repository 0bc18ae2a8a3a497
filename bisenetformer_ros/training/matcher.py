"""Assigns queries to ground-truth segments at least total cost (Carion et al., DETR, ECCV 2020)."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]
from torch import Tensor

from bisenetformer_ros.training.points import sample_points, segments_at
from bisenetformer_ros.training.targets import Targets

CLASS_WEIGHT = 2.0
BCE_WEIGHT = 5.0
DICE_WEIGHT = 5.0
"""Weights of the three terms, in both the assignment and the loss (section 4.1)."""


class Assignment(NamedTuple):
    """Pairs of queries and segments as indices, (R,) int64 each, sorted by image and segment.

    An image with N queries and M segments has min(N, M) pairs.
    """

    images: Tensor
    queries: Tensor
    segments: Tensor


@torch.no_grad()
def match(class_logits: Tensor, mask_logits: Tensor, targets: Targets, points: Tensor) -> Assignment:
    """Solve the Hungarian assignment of each image.

    Args:
        class_logits: (B, N, K+1), like all logits here in single or double precision.
        mask_logits: (B, N, h, w).
        targets: Segments of the B images.
        points: (B, P, 2) x, y in 0..1 at which masks are compared.
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
    cost = cost.nan_to_num().cpu()  # any assignment will do for a diverged network: its loss is not finite
    pairs = []
    for image, (of_image, count) in enumerate(zip(cost, counts, strict=True)):
        segments, queries = linear_sum_assignment(of_image[:, :count].T.numpy())
        pairs.append(np.stack((np.full_like(queries, image), queries, segments)))
    return Assignment(*torch.from_numpy(np.concatenate(pairs, axis=1)).to(points.device))


def class_cost(class_logits: Tensor, class_ids: Tensor) -> Tensor:
    """Return minus the probability of each segment's class: (B, N, K+1), (B, M) → (B, N, M)."""
    of_query = class_ids[:, None].expand(-1, class_logits.shape[1], -1)
    return -class_logits.softmax(dim=2).gather(2, of_query)


def bce_cost(predicted: Tensor, expected: Tensor) -> Tensor:
    """Return the binary cross-entropy, mean over points: logits (B, N, P), masks (B, M, P) in 0..1 → (B, N, M).

    For a logit x and a mask value t it is softplus(x) - t·x; the second term is a matrix product.
    """
    of_nothing = F.softplus(predicted).sum(dim=2)[:, :, None]
    return (of_nothing - predicted @ expected.transpose(1, 2)) / predicted.shape[2]


def dice_cost(predicted: Tensor, expected: Tensor) -> Tensor:
    """Return 1 - (2·overlap + 1) / (sum of areas + 1): logits (B, N, P), masks (B, M, P) in 0..1 → (B, N, M)."""
    probability = predicted.sigmoid()
    overlap = probability @ expected.transpose(1, 2)
    areas = probability.sum(dim=2)[:, :, None] + expected.sum(dim=2)[:, None]
    return 1 - (2 * overlap + 1) / (areas + 1)
