"""Which query answers for which ground-truth segment: the assignment of least cost (Carion et al., DETR)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from bisenetformer_ros.training.points import sample_points
from bisenetformer_ros.training.targets import Target

CLASS_WEIGHT = 2.0
BCE_WEIGHT = 5.0
DICE_WEIGHT = 5.0
"""Weights of the three terms, in the assignment and in the loss alike (section 4.1)."""


@torch.no_grad()
def match(class_logits: Tensor, mask_logits: Tensor, target: Target, points: Tensor) -> tuple[Tensor, Tensor]:
    """Hungarian assignment for one image.

    class_logits (N, K+1), mask_logits (N, h, w), target with M segments, points (P, 2) in 0..1.
    Returns query and target indices, min(N, M) each, sorted by target.
    """
    if len(target.class_ids) == 0:
        empty = torch.zeros(0, dtype=torch.int64, device=class_logits.device)
        return empty, empty
    predicted = sample_points(mask_logits.float()[None], points[None])[0]
    expected = sample_points(target.masks.float()[None], points[None])[0]
    cost = (
        CLASS_WEIGHT * class_cost(class_logits.float(), target.class_ids)
        + BCE_WEIGHT * bce_cost(predicted, expected)
        + DICE_WEIGHT * dice_cost(predicted, expected)
    )
    cost = cost.nan_to_num()  # a diverged network gets some assignment, and its loss is then seen to be not finite
    targets, queries = linear_sum_assignment(cost.T.cpu().numpy())
    return torch.as_tensor(queries, device=cost.device), torch.as_tensor(targets, device=cost.device)


def class_cost(class_logits: Tensor, class_ids: Tensor) -> Tensor:
    """(N, K+1), (M,) → (N, M): minus the probability of the segment's class."""
    return -class_logits.softmax(dim=1)[:, class_ids]


def bce_cost(predicted: Tensor, expected: Tensor) -> Tensor:
    """Logits (N, P), masks (M, P) in 0..1 → (N, M): binary cross-entropy, mean over points."""
    as_inside = torch.nn.functional.softplus(-predicted)
    as_outside = torch.nn.functional.softplus(predicted)
    return (as_inside @ expected.T + as_outside @ (1 - expected).T) / predicted.shape[1]


def dice_cost(predicted: Tensor, expected: Tensor) -> Tensor:
    """Logits (N, P), masks (M, P) in 0..1 → (N, M): 1 - (2·overlap + 1) / (sum of areas + 1)."""
    probability = predicted.sigmoid()
    overlap = probability @ expected.T
    areas = probability.sum(dim=1)[:, None] + expected.sum(dim=1)[None]
    return 1 - (2 * overlap + 1) / (areas + 1)
