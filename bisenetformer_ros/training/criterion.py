"""The loss of Mask2Former (Cheng et al., CVPR 2022): classes, and masks on sampled points, for every prediction."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.training.distributed import average
from bisenetformer_ros.training.matcher import BCE_WEIGHT, CLASS_WEIGHT, DICE_WEIGHT, Matches, match
from bisenetformer_ros.training.points import (
    at_least_single,
    random_points,
    sample_points,
    segment_at,
    uncertain_points,
)
from bisenetformer_ros.training.targets import Targets

NO_OBJECT_WEIGHT = 0.1
"""Most queries answer for nothing; unweighted, they would drown the others."""

Prediction = tuple[Tensor, Tensor]
"""class_logits (B, N, K+1), mask_logits (B, N, h, w)."""


class Criterion(nn.Module):
    """num_points: sampled per image for the assignment and per mask for the loss; 12544 in the paper."""

    def __init__(self, num_classes: int, num_points: int = 12544) -> None:
        super().__init__()
        self.num_points = num_points
        class_weights = torch.ones(num_classes + 1)
        class_weights[-1] = NO_OBJECT_WEIGHT
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(self, predictions: Sequence[Prediction], targets: Targets, seeds: Sequence[int]) -> dict[str, Tensor]:
        """Weighted losses {"class", "bce", "dice"}, each summed over the predictions; their sum is the loss.

        seeds: one per image, for its points. Every prediction is assigned to the targets anew. With several processes
        the sums are those of this one's images and the divisors the means over all, so the mean of the losses is the
        loss of the whole batch.
        """
        device = targets.segment_maps.device
        generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        num_masks, class_weight = self._divisors(targets, num_queries=predictions[0][0].shape[1])
        totals = dict.fromkeys(("class", "bce", "dice"), torch.zeros((), device=device))
        for class_logits, mask_logits in predictions:
            class_logits, mask_logits = at_least_single(class_logits), at_least_single(mask_logits)
            points = random_points(generators, [1] * len(generators), self.num_points)
            matches = match(class_logits, mask_logits, targets, points.to(mask_logits.dtype))
            bce, dice = self._mask_losses(mask_logits, targets, matches, generators)
            totals["class"] = totals["class"] + CLASS_WEIGHT * self._class_loss(class_logits, targets, matches)
            totals["bce"] = totals["bce"] + BCE_WEIGHT * bce
            totals["dice"] = totals["dice"] + DICE_WEIGHT * dice
        return {
            "class": totals["class"] / class_weight,
            "bce": totals["bce"] / num_masks,
            "dice": totals["dice"] / num_masks,
        }

    def _divisors(self, targets: Targets, num_queries: int) -> tuple[Tensor, Tensor]:
        """Masks, and weights of the queries' classes, in the batch of one process on average."""
        matched = sum(min(count, num_queries) for count in targets.counts)
        local = [sum(targets.counts), matched, num_queries * len(targets.counts)]
        num_masks, matched, queries = average(torch.tensor(local, device=targets.segment_maps.device).float())
        return num_masks.clamp(min=1), matched + NO_OBJECT_WEIGHT * (queries - matched)

    def _class_loss(self, class_logits: Tensor, targets: Targets, matches: Matches) -> Tensor:
        """Weighted sum over all queries."""
        no_object = class_logits.shape[2] - 1
        expected = torch.full(class_logits.shape[:2], no_object, device=class_logits.device)
        expected[matches.images, matches.queries] = targets.classes_of(matches.images, matches.segments)
        return F.cross_entropy(class_logits.flatten(0, 1), expected.flatten(), self.class_weights, reduction="sum")

    def _mask_losses(
        self, mask_logits: Tensor, targets: Targets, matches: Matches, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """BCE and dice, sums over the matched masks."""
        predicted = mask_logits[matches.images, matches.queries]
        if len(predicted) == 0:
            nothing = mask_logits.sum() * 0  # keeps every parameter in the graph
            return nothing, nothing
        counts = [min(count, mask_logits.shape[1]) for count in targets.counts]
        with torch.no_grad():
            points = uncertain_points(predicted, self.num_points, generators, counts)
            expected = segment_at(targets.segment_maps, matches.images, matches.segments, points)
        logits = sample_points(predicted[:, None], points)[:, 0]
        return bce_loss(logits, expected), dice_loss(logits, expected)


def bce_loss(logits: Tensor, expected: Tensor) -> Tensor:
    """(M, P) logits and masks in 0..1: mean over points, sum over masks."""
    return F.binary_cross_entropy_with_logits(logits, expected, reduction="none").mean(dim=1).sum()


def dice_loss(logits: Tensor, expected: Tensor) -> Tensor:
    """(M, P): 1 - (2·overlap + 1) / (sum of areas + 1), summed over masks."""
    probability = logits.sigmoid()
    overlap = (probability * expected).sum(dim=1)
    areas = probability.sum(dim=1) + expected.sum(dim=1)
    return (1 - (2 * overlap + 1) / (areas + 1)).sum()
