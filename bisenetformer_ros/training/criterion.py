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
Matches = Sequence[tuple[Tensor, Tensor]]
"""Per image: indices of the matched queries and of their targets, sorted by target."""


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
        masks = torch.cat([target.masks for target in targets]).float()
        counts = [len(target.class_ids) for target in targets]
        targets = [Target(t.class_ids, m) for t, m in zip(targets, masks.split(counts), strict=True)]
        losses = [
            self._losses(class_logits.float(), mask_logits.float(), targets, masks)
            for class_logits, mask_logits in predictions
        ]
        return {name: sum(loss[name] for loss in losses) for name in losses[0]}

    def _losses(
        self, class_logits: Tensor, mask_logits: Tensor, targets: Sequence[Target], masks: Tensor
    ) -> dict[str, Tensor]:
        matches = self._match(class_logits, mask_logits, targets)
        bce, dice = self._mask_losses(mask_logits, targets, masks, matches)
        classes = self._class_loss(class_logits, targets, matches)
        return {"class": CLASS_WEIGHT * classes, "bce": BCE_WEIGHT * bce, "dice": DICE_WEIGHT * dice}

    def _match(self, class_logits: Tensor, mask_logits: Tensor, targets: Sequence[Target]) -> Matches:
        points = torch.rand(len(targets), self.num_points, 2, device=mask_logits.device)
        return [match(*of_image) for of_image in zip(class_logits, mask_logits, targets, points, strict=True)]

    def _class_loss(self, class_logits: Tensor, targets: Sequence[Target], matches: Matches) -> Tensor:
        no_object = class_logits.shape[2] - 1
        expected = torch.full(class_logits.shape[:2], no_object, device=class_logits.device)
        for image, (queries, indices) in enumerate(matches):
            expected[image, queries] = targets[image].class_ids[indices]
        return F.cross_entropy(class_logits.flatten(0, 1), expected.flatten(), self.class_weights)

    def _mask_losses(
        self, mask_logits: Tensor, targets: Sequence[Target], masks: Tensor, matches: Matches
    ) -> tuple[Tensor, Tensor]:
        predicted = torch.cat([logits[queries] for logits, (queries, _) in zip(mask_logits, matches, strict=True)])
        if len(predicted) == 0:
            nothing = mask_logits.sum() * 0  # keeps every parameter in the graph
            return nothing, nothing
        num_masks = len(masks)
        if len(predicted) < num_masks:  # more segments than queries; else the matches name all masks, in order
            masks = torch.cat([t.masks[indices] for t, (_, indices) in zip(targets, matches, strict=True)])
        with torch.no_grad():
            points = uncertain_points(predicted, self.num_points)
            expected = sample_points(masks[:, None], points)[:, 0]
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
