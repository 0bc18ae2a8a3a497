"""The loss of Mask2Former (Cheng et al., CVPR 2022): classes, and masks on sampled points, for every prediction."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.training.matcher import BCE_WEIGHT, CLASS_WEIGHT, DICE_WEIGHT, match
from bisenetformer_ros.training.points import sample_points, uncertain_points
from bisenetformer_ros.training.targets import Target

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

    def forward(self, predictions: Sequence[Prediction], targets: Sequence[Target]) -> dict[str, Tensor]:
        """Weighted losses {"class", "bce", "dice"}, each summed over the predictions; their sum is the loss.

        Every prediction is assigned to the targets anew.
        """
        num_masks = max(1, sum(len(target.class_ids) for target in targets))
        totals = {"class": 0.0, "bce": 0.0, "dice": 0.0}
        for class_logits, mask_logits in predictions:
            class_logits, mask_logits = class_logits.float(), mask_logits.float()
            matches = self._match(class_logits, mask_logits, targets)
            bce, dice = self._mask_losses(mask_logits, targets, matches, num_masks)
            totals["class"] += CLASS_WEIGHT * self._class_loss(class_logits, targets, matches)
            totals["bce"] += BCE_WEIGHT * bce
            totals["dice"] += DICE_WEIGHT * dice
        return totals

    def _match(self, class_logits: Tensor, mask_logits: Tensor, targets: Sequence[Target]) -> list:
        matches = []
        for image, target in enumerate(targets):
            points = torch.rand(self.num_points, 2, device=mask_logits.device)
            matches.append(match(class_logits[image], mask_logits[image], target, points))
        return matches

    def _class_loss(self, class_logits: Tensor, targets: Sequence[Target], matches: list) -> Tensor:
        no_object = class_logits.shape[2] - 1
        expected = torch.full(class_logits.shape[:2], no_object, device=class_logits.device)
        for image, (queries, indices) in enumerate(matches):
            expected[image, queries] = targets[image].class_ids[indices]
        return F.cross_entropy(class_logits.flatten(0, 1), expected.flatten(), self.class_weights)

    def _mask_losses(
        self, mask_logits: Tensor, targets: Sequence[Target], matches: list, num_masks: int
    ) -> tuple[Tensor, Tensor]:
        predicted = torch.cat([mask_logits[image, queries] for image, (queries, _) in enumerate(matches)])
        if len(predicted) == 0:
            nothing = mask_logits.sum() * 0  # keeps every parameter in the graph
            return nothing, nothing
        masks = torch.cat([targets[image].masks[indices] for image, (_, indices) in enumerate(matches)])
        with torch.no_grad():
            points = uncertain_points(predicted, self.num_points)
            expected = sample_points(masks[:, None].float(), points)[:, 0]
        logits = sample_points(predicted[:, None], points)[:, 0]
        return bce_loss(logits, expected, num_masks), dice_loss(logits, expected, num_masks)


def bce_loss(logits: Tensor, expected: Tensor, num_masks: float) -> Tensor:
    """(M, P) logits and masks in 0..1: mean over points, sum over masks, divided by num_masks."""
    return F.binary_cross_entropy_with_logits(logits, expected, reduction="none").mean(dim=1).sum() / num_masks


def dice_loss(logits: Tensor, expected: Tensor, num_masks: float) -> Tensor:
    """(M, P): 1 - (2·overlap + 1) / (sum of areas + 1), summed over masks, divided by num_masks."""
    probability = logits.sigmoid()
    overlap = (probability * expected).sum(dim=1)
    areas = probability.sum(dim=1) + expected.sum(dim=1)
    return (1 - (2 * overlap + 1) / (areas + 1)).sum() / num_masks
