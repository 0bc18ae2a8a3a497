"""The loss of Mask2Former (Cheng et al., CVPR 2022), on classes and on masks at sampled points."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.training.distributed import average
from bisenetformer_ros.training.matcher import BCE_WEIGHT, CLASS_WEIGHT, DICE_WEIGHT, Assignment, match
from bisenetformer_ros.training.points import (
    at_least_single,
    random_points,
    sample_points,
    segment_at,
    uncertain_points,
)
from bisenetformer_ros.training.targets import Targets

NO_OBJECT_WEIGHT = 0.1
"""Weight of the queries without a segment, the majority, which would dominate the others."""

Prediction = tuple[Tensor, Tensor]
"""class_logits (B, N, K+1), mask_logits (B, N, h, w)."""


class Criterion(nn.Module):
    """The loss of all predictions of a network.

    Args:
        num_classes: K.
        num_points: Points per image for the assignment, and per mask for the loss; 12544 in Mask2Former's recipes.
    """

    class_weights: Tensor

    def __init__(self, num_classes: int, num_points: int = 12544) -> None:
        super().__init__()
        self.num_points = num_points
        class_weights = torch.ones(num_classes + 1)
        class_weights[-1] = NO_OBJECT_WEIGHT
        self.register_buffer("class_weights", class_weights, persistent=False)

    def forward(
        self,
        predictions: Sequence[Prediction],
        targets: Targets,
        seeds: Sequence[int],
        batch_counts: Sequence[int] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the weighted terms {"class", "bce", "dice"}, summed over the predictions; their sum is the loss.

        With several processes, terms are summed over this process's images and divided by the mean divisor of all, so
        the mean over the processes is the loss of the whole batch.

        Args:
            predictions: Each is assigned to the targets separately.
            targets: Segments of the images.
            seeds: One per image, for its points.
            batch_counts: Segments per image of the batch of which these images are a part; the terms of its parts sum
                to those of the batch. None: they are no part.
        """
        device = targets.segment_maps.device
        generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        num_masks, class_weight = self._divisors(
            targets.counts if batch_counts is None else batch_counts, predictions[0][0].shape[1], device
        )
        totals = dict.fromkeys(("class", "bce", "dice"), torch.zeros((), device=device))
        for class_logits, mask_logits in predictions:
            class_logits, mask_logits = at_least_single(class_logits), at_least_single(mask_logits)
            points = random_points(generators, [1] * len(generators), self.num_points)
            assignment = match(class_logits, mask_logits, targets, points.to(mask_logits.dtype))
            bce, dice = self._mask_losses(mask_logits, targets, assignment, generators)
            totals["class"] = totals["class"] + CLASS_WEIGHT * self._class_loss(class_logits, targets, assignment)
            totals["bce"] = totals["bce"] + BCE_WEIGHT * bce
            totals["dice"] = totals["dice"] + DICE_WEIGHT * dice
        return {
            "class": totals["class"] / class_weight,
            "bce": totals["bce"] / num_masks,
            "dice": totals["dice"] / num_masks,
        }

    def _divisors(self, counts: Sequence[int], num_queries: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the number of masks and the sum of class weights, averaged over the processes."""
        matched = sum(min(count, num_queries) for count in counts)
        local = [sum(counts), matched, num_queries * len(counts)]
        num_masks, matched, queries = average(torch.tensor(local, device=device).float())
        return num_masks.clamp(min=1), matched + NO_OBJECT_WEIGHT * (queries - matched)

    def _class_loss(self, class_logits: Tensor, targets: Targets, assignment: Assignment) -> Tensor:
        """Weighted cross-entropy, summed over all queries."""
        no_object = class_logits.shape[2] - 1
        expected = torch.full(class_logits.shape[:2], no_object, device=class_logits.device)
        expected[assignment.images, assignment.queries] = targets.classes_of(assignment.images, assignment.segments)
        return F.cross_entropy(class_logits.flatten(0, 1), expected.flatten(), self.class_weights, reduction="sum")

    def _mask_losses(
        self, mask_logits: Tensor, targets: Targets, assignment: Assignment, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """BCE and dice, each summed over the assigned masks."""
        predicted = mask_logits[assignment.images, assignment.queries]
        if len(predicted) == 0:
            nothing = mask_logits.sum() * 0  # keeps every parameter in the graph
            return nothing, nothing
        counts = [min(count, mask_logits.shape[1]) for count in targets.counts]
        with torch.no_grad():
            points = uncertain_points(predicted, self.num_points, generators, counts)
            expected = segment_at(targets.segment_maps, assignment.images, assignment.segments, points)
        logits = sample_points(predicted[:, None], points)[:, 0]
        return bce_loss(logits, expected), dice_loss(logits, expected)


def bce_loss(logits: Tensor, expected: Tensor) -> Tensor:
    """Binary cross-entropy of (M, P) logits and masks in 0..1: mean over points, sum over masks."""
    return F.binary_cross_entropy_with_logits(logits, expected, reduction="none").mean(dim=1).sum()


def dice_loss(logits: Tensor, expected: Tensor) -> Tensor:
    """1 - (2·overlap + 1) / (sum of areas + 1) of (M, P) logits and masks in 0..1, summed over masks."""
    probability = logits.sigmoid()
    overlap = (probability * expected).sum(dim=1)
    areas = probability.sum(dim=1) + expected.sum(dim=1)
    return (1 - (2 * overlap + 1) / (areas + 1)).sum()
