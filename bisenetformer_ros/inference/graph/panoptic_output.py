"""Logits to a map of queries and a table about them: what `postprocess_panoptic` does on pixels, as operators.

What remains for the host are N rows of a table: which queries become segments. See engines/graph.py for the outputs.
"""

import torch
from torch import Tensor, nn

from bisenetformer_ros.inference.graph.contract import NO_QUERY
from bisenetformer_ros.inference.graph.mask_strips import MaskStrips
from bisenetformer_ros.inference.graph.query_regions import QueryRegions
from bisenetformer_ros.inference.graph.semantic_output import to_uint8
from bisenetformer_ros.results import ImageGeometry


class PanopticOutput(nn.Module):
    def __init__(self, num_classes: int, num_queries: int, mask_size: tuple[int, int], geometry: ImageGeometry) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.strips = MaskStrips(num_queries, mask_size, geometry)
        self.regions = QueryRegions(num_queries, geometry.image_size)

    def forward(
        self, class_logits: Tensor, mask_logits: Tensor, score_threshold: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, K+1), (B, N, h, w), () float32 → query_map, confidence (B, H, W) uint8, query_table (B, N, 11)."""
        scores, classes = class_logits.softmax(dim=2).max(dim=2)
        kept = ((classes != self.num_classes) & (scores > score_threshold)).float()
        kept_scores = scores * kept
        owner, best, mask_areas = self._assign_pixels(mask_logits, kept_scores)
        owner_scores = kept_scores.gather(1, owner.flatten(1)).unflatten(1, best.shape[1:])
        owner = owner.float()
        owned = owner_scores > 0
        inside = owned & (best >= 0.5 * owner_scores)
        owned_areas, regions = self.regions(owner, owned, inside)
        table = [classes.float(), scores, owned_areas, mask_areas * kept, *regions]
        query_map = torch.where(inside, owner, float(NO_QUERY))
        return to_uint8(query_map), to_uint8((best * inside.float()).clamp(0, 1) * 255), torch.stack(table, dim=2)

    def _assign_pixels(self, mask_logits: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """scores (B, N), 0 for queries that take no part → owner (B, H, W) int64, its score · probability, mask areas.

        mask areas: (B, N), of all queries. Where every score is 0, the owner is some query, of score 0.
        """
        owners, bests = [], []
        strips = self.strips(mask_logits)
        for strip in strips:
            best, owner = (strip.sigmoid() * scores[:, None, None, :, None]).max(dim=3)
            bests.append(self.strips.join_tiles(best))
            owners.append(self.strips.join_tiles(owner))
        return torch.cat(owners, dim=1), torch.cat(bests, dim=1), self.strips.count_not_negative(strips)
