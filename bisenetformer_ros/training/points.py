"""Mask losses on sampled points instead of whole masks (Kirillov et al., PointRend, CVPR 2020).

Points are (x, y) as fractions of width and height, 0..1. Values beyond the border are 0.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bisenetformer_ros.training.targets import NO_SEGMENT

OVERSAMPLING = 3.0
"""Candidates per point for the choice of uncertain points."""
IMPORTANT_SHARE = 0.75
"""Fraction of points that are the most uncertain candidates; the others are uniform."""


def at_least_single(x: Tensor) -> Tensor:
    """Convert half precision to single; keep single and double."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def random_points(generators: Sequence[torch.Generator], counts: Sequence[int], num_points: int) -> Tensor:
    """Draw uniform points, independently of the other images in the batch.

    Args:
        generators: One per image.
        counts: Rows that each of them draws.
        num_points: Points per row.

    Returns:
        (sum of counts, num_points, 2) on the device of the generators.
    """
    points = torch.empty(sum(counts), num_points, 2, device=generators[0].device)
    for part, generator in zip(points.split(list(counts)), generators, strict=True):
        part.uniform_(generator=generator)
    return points


def sample_points(maps: Tensor, points: Tensor) -> Tensor:
    """Sample maps (B, C, H, W) bilinearly at points (B, P, 2) → (B, C, P)."""
    grid = (2 * points - 1)[:, :, None]
    return F.grid_sample(maps, grid.to(maps.dtype), align_corners=False).squeeze(3)


def uncertain_points(
    mask_logits: Tensor, num_points: int, generators: Sequence[torch.Generator], counts: Sequence[int]
) -> Tensor:
    """Draw points mostly where a mask is uncertain, its logit near 0.

    Args:
        mask_logits: (M, H, W).
        num_points: Points per mask.
        generators: One per image.
        counts: Masks per image, M in total.

    Returns:
        (M, num_points, 2).
    """
    num_important = int(num_points * IMPORTANT_SHARE)
    candidates = random_points(generators, counts, int(num_points * OVERSAMPLING)).to(mask_logits.dtype)
    undecided = sample_points(mask_logits[:, None], candidates)[:, 0].abs()
    best = undecided.topk(num_important, dim=1, largest=False, sorted=False).indices
    important = candidates.gather(1, best[:, :, None].expand(-1, -1, 2))
    return torch.cat((important, random_points(generators, counts, num_points - num_important)), dim=1)


def segments_at(segment_maps: Tensor, points: Tensor, num_segments: int) -> Tensor:
    """Sample the masks of all segments as `sample_points` would, without building them.

    Args:
        segment_maps: (B, H, W) of -1..num_segments - 1.
        points: (B, P, 2).
        num_segments: Segments per image.

    Returns:
        (B, num_segments, P) in 0..1.
    """
    batch_size, num_points = points.shape[:2]
    framed = _framed(segment_maps).flatten(1)
    shares = points.new_zeros(batch_size, 1 + num_segments, num_points)
    for pixel, weight in _pixels_around(points, segment_maps.shape[1:]):
        shares.scatter_add_(1, framed.gather(1, pixel)[:, None].long() + 1, weight[:, None])
    return shares[:, 1:]


def segment_at(segment_maps: Tensor, images: Tensor, segments: Tensor, points: Tensor) -> Tensor:
    """Like `segments_at`, for one segment per row: images and segments (M,) int64, points (M, P, 2) → (M, P)."""
    framed = _framed(segment_maps)
    everywhere = framed.view(1, -1).expand(len(points), -1)
    start = (images * framed[0].numel())[:, None]
    wanted = segments.to(framed.dtype)[:, None]  # comparing int16 with int64 would convert every pixel
    share = points.new_zeros(points.shape[:2])
    for pixel, weight in _pixels_around(points, segment_maps.shape[1:]):
        share += weight * (everywhere.gather(1, start + pixel) == wanted)
    return share


def _framed(segment_maps: Tensor) -> Tensor:
    """Add a border of one pixel without segment, so that every point has four neighbours."""
    return F.pad(segment_maps, (1, 1, 1, 1), value=NO_SEGMENT)


def _pixels_around(points: Tensor, size: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the four neighbours of each point (…, 2): index in the framed, flattened image and weight, (…,) each."""
    height, width = size
    x, y = points[..., 0] * width + 0.5, points[..., 1] * height + 0.5
    left, top = x.floor(), y.floor()
    right_share, bottom_share = x - left, y - top
    pixel = top.long() * (width + 2) + left.long()
    for below, y_weight in ((0, 1 - bottom_share), (width + 2, bottom_share)):
        for beside, x_weight in ((0, 1 - right_share), (1, right_share)):
            yield pixel + (below + beside), x_weight * y_weight
