"""Auxiliary per-pixel classifiers for training from scratch; the final network does not contain them.

At first, the Hungarian assignment gives the pixel features a weak, shifting signal. Two linear classifiers on them, as
in BiSeNet (Yu et al., ECCV 2018), give a strong one from the first step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenetformer_ros.model.bisenetformer import PixelFeatures
from bisenetformer_ros.results import UNLABELED
from bisenetformer_ros.training.distributed import average
from bisenetformer_ros.training.points import at_least_single


class DenseAuxiliary(nn.Module):
    """Linear classifiers on the mask features and on the context at 1/16, with `channels` channels each."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.on_mask_features = nn.Conv2d(channels, num_classes, 1)
        self.on_context = nn.Conv2d(channels, num_classes, 1)

    def forward(self, features: PixelFeatures, label_maps: Tensor, whole_batch: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy of both classifiers at a quarter of the resolution.

        Classes are weighted by `class_weights` of the batch. With several processes, divisors are averaged as in
        `Criterion`.

        Args:
            features: Of the images.
            label_maps: (B, H, W) uint8, 255 = ignore.
            whole_batch: The label maps of the batch of which these images are a part; the losses of its parts sum to
                that of the batch. None: they are no part.
        """
        labels = _quarter_resolution(label_maps)
        of_batch = labels if whole_batch is None else _quarter_resolution(whole_batch)
        counts = average(class_counts(of_batch, self.on_mask_features.out_channels))
        weights = class_weights(counts)
        context16 = features.levels[1]
        total = torch.zeros((), device=labels.device)
        for logits in (self.on_mask_features(features.mask), self.on_context(context16)):
            logits = F.interpolate(at_least_single(logits), labels.shape[1:], mode="bilinear", align_corners=False)
            of_class = weights.to(logits.dtype)
            total = total + F.cross_entropy(logits, labels, of_class, ignore_index=UNLABELED, reduction="sum")
        return total / 2 / (weights * counts).sum().clamp(min=1)  # not `@`, which autocast runs in half


def _quarter_resolution(label_maps: Tensor) -> Tensor:
    return label_maps[:, ::4, ::4].long()


def class_counts(labels: Tensor, num_classes: int) -> Tensor:
    """Count the pixels of each class, as (K,) float32, which is exact up to 16 million."""
    return torch.bincount(labels[labels != UNLABELED], minlength=num_classes).float()


def class_weights(counts: Tensor) -> Tensor:
    """Weight rare classes higher: 1 / ln(1.02 + share of the pixels), from 1.4 (all pixels) to 50 (none).

    The weighting of ENet (Paszke et al., 2016), so that road and sky do not dominate thin and rare objects.
    """
    return 1 / torch.log(1.02 + counts / counts.sum().clamp(min=1))
