"""Mask losses on sampled points instead of whole masks (Kirillov et al., PointRend, CVPR 2020)."""

import torch
import torch.nn.functional as F
from torch import Tensor

OVERSAMPLING = 3.0
"""Candidates per point when uncertain points are sought."""
IMPORTANT_SHARE = 0.75
"""Share of the points that are the most uncertain candidates; the rest is uniform."""


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Bilinear values of maps (B, C, H, W) at points (B, P, 2), x and y in 0..1 → (B, C, P)."""
    grid = (2 * points - 1)[:, :, None]
    return F.grid_sample(maps, grid.to(maps.dtype), align_corners=False).squeeze(3)


def uncertain_points(mask_logits: Tensor, num_points: int) -> Tensor:
    """mask_logits (M, H, W) → points (M, num_points, 2), mostly where a mask is undecided (logit near 0)."""
    num_masks = mask_logits.shape[0]
    num_candidates = int(num_points * OVERSAMPLING)
    num_important = int(num_points * IMPORTANT_SHARE)
    candidates = torch.rand(num_masks, num_candidates, 2, device=mask_logits.device)
    undecided = -sample_points(mask_logits[:, None], candidates)[:, 0].abs()
    best = undecided.topk(num_important, dim=1).indices
    important = candidates.gather(1, best[:, :, None].expand(-1, -1, 2))
    uniform = torch.rand(num_masks, num_points - num_important, 2, device=mask_logits.device)
    return torch.cat((important, uniform), dim=1)
