"""Logits to a label map: `postprocess_semantic` as operators of a graph."""

import torch
from torch import Tensor, nn

from bisenetformer_ros.inference.graph.mask_strips import MaskStrips
from bisenetformer_ros.inference.postprocess import SemanticOrder
from bisenetformer_ros.results import ImageGeometry


class SemanticOutput(nn.Module):
    def __init__(
        self,
        num_classes: int,
        num_queries: int,
        mask_size: tuple[int, int],
        geometry: ImageGeometry,
        order: SemanticOrder = "full",
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.order = order
        self.strips = MaskStrips(num_classes if order == "coarse" else num_queries, mask_size, geometry)

    def forward(self, class_logits: Tensor, mask_logits: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, K+1), (B, N, h, w) float32 → label_map, confidence (B, H, W) uint8."""
        probabilities = class_logits.softmax(dim=2)[:, :, : self.num_classes].transpose(1, 2)
        maps = mask_logits
        if self.order == "coarse":
            maps = torch.matmul(probabilities, mask_logits.sigmoid().flatten(2)).unflatten(2, mask_logits.shape[2:])
        best, labels = [], []
        for strip in self.strips(maps):
            scores = strip if self.order == "coarse" else torch.matmul(probabilities[:, None, None], strip.sigmoid())
            strip_best, strip_labels = scores.max(dim=3)
            best.append(self.strips.join_tiles(strip_best))
            labels.append(self.strips.join_tiles(strip_labels.float()))
        return to_uint8(torch.cat(labels, dim=1)), to_uint8(torch.cat(best, dim=1).clamp(0, 1) * 255)


def to_uint8(values: Tensor) -> Tensor:
    """float32 in 0..255, rounded. TensorRT makes uint8 of floating point alone, and of a graph's outputs alone."""
    return values.round().to(torch.uint8)
