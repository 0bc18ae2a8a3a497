"""From the logits of the network to a segmentation of the camera image.

Both tasks follow Mask2Former: mask logits are interpolated to the camera's resolution first, then made probabilities
and compared. Both stream: masks of that resolution exist as strips of rows only, STRIP_BYTES at a time. For 100 masks
of 1024x2048, 800 MiB in full, at most 44 MiB are held, inputs aside; half of that are the result and a re-arranged copy
of the mask logits.

The authors' SDK makes semantic maps in another order, which is faster and less accurate: `postprocess_semantic` has it
as "coarse". docs/decisions/semantic-order.md compares the two.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.regions import measure_regions
from bisenetformer_ros.results import UNLABELED, ImageGeometry, SegmentationResult
from bisenetformer_ros.segments import Queries, describe_segments, number_segments
from bisenetformer_ros.upsampling import MaskUpsampler, Strip

STRIP_BYTES = 4 * 2**20
"""Fits into the caches of a CPU: measured from 1 to 8 MiB, the best compromise between 360x480 and 1024x2048 frames."""

SemanticOrder = Literal["full", "coarse"]
"""full: masks are interpolated, then made probabilities and summed per class. coarse: they are summed per class as the
network gives them, at 1/8, and the class scores are interpolated."""


@torch.inference_mode()
def postprocess_semantic(
    class_logits: torch.Tensor,
    mask_logits: torch.Tensor,
    geometry: ImageGeometry,
    labels: LabelMap,
    order: SemanticOrder = "full",
) -> SegmentationResult:
    """The most probable class of every pixel.

    class_logits: (N, K + 1), the last class is "no object". mask_logits: (N, h, w), covering the padded image.
    The score of class c at a pixel is Σ_q p_q(c) · sigmoid(mask_q); the confidence is the winner's, clipped to 0..1.
    """
    class_probabilities = class_logits.float().softmax(-1)[:, : len(labels)].T.contiguous()
    label_map = torch.empty(geometry.image_size, dtype=torch.uint8, device=mask_logits.device)
    confidence = torch.empty_like(label_map)
    source = mask_logits
    if order == "coarse":
        source = (class_probabilities @ mask_logits.float().sigmoid().flatten(1)).unflatten(1, mask_logits.shape[1:])
    for strip in MaskUpsampler(source, geometry, STRIP_BYTES):
        class_scores = strip.logits() if order == "coarse" else class_probabilities @ strip.logits().sigmoid_()
        scores, classes = class_scores.max(dim=2)
        label_map[strip.rows] = strip.join_tiles(classes)
        confidence[strip.rows] = strip.join_tiles(_to_uint8(scores))
    return SegmentationResult(label_map.cpu().numpy(), confidence.cpu().numpy())


@torch.inference_mode()
def postprocess_panoptic(
    class_logits: torch.Tensor,
    mask_logits: torch.Tensor,
    geometry: ImageGeometry,
    labels: LabelMap,
    score_threshold: float = 0.8,
    overlap_threshold: float = 0.8,
) -> SegmentationResult:
    """Things as instances, stuff as one segment per class, the rest unlabeled. Shapes as in `postprocess_semantic`.

    A query takes part if its most probable class is an object, with a probability above `score_threshold`. Every
    pixel is owned by the query with the largest score · sigmoid(mask), which is the pixel's confidence. A query's
    region is what it owns where its mask probability is at least 0.5; the region is dropped if the query owns fewer
    pixels than `overlap_threshold` times those where its mask probability is at least 0.5.
    Pixels of no region are unlabeled, with confidence 0. The score of stuff that several queries share is the mean of
    theirs, weighted by area.
    """
    best_scores, best_classes = class_logits.float().softmax(-1).max(-1)
    kept = (best_classes != len(labels)) & (best_scores > score_threshold)
    upsampler = MaskUpsampler(mask_logits[kept], geometry, STRIP_BYTES)
    pixels = _assign_pixels(best_scores[kept], upsampler, geometry.image_size)
    scores, classes = best_scores[kept].cpu().numpy(), best_classes[kept].cpu().numpy()
    queries = Queries(classes, scores, *pixels.areas)
    ids = number_segments(queries, labels, overlap_threshold)
    panoptic_map = np.append(ids, 0).astype(np.uint16)[pixels.owner]
    label_map = np.append(np.where(ids > 0, classes, UNLABELED), UNLABELED).astype(np.uint8)[pixels.owner]
    pixels.confidence[panoptic_map == 0] = 0
    regions = measure_regions(panoptic_map, int(ids.max(initial=0)))
    segments = describe_segments(ids, [region for region in regions if region is not None], queries, labels)
    return SegmentationResult(label_map, pixels.confidence, panoptic_map, segments)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Which of N queries owns which pixel.

    owner: (H, W) int16, the query in whose region a pixel lies, -1 for none. confidence: (H, W) uint8.
    areas: (3, N) owned, mask and region areas, as in `Queries`.
    """

    owner: np.ndarray
    confidence: np.ndarray
    areas: np.ndarray


def _assign_pixels(scores: torch.Tensor, masks: MaskUpsampler, image_size: tuple[int, int]) -> _Pixels:
    count, device = len(scores), scores.device
    owner = torch.full(image_size, -1, dtype=torch.int16, device=device)
    confidence = torch.zeros(image_size, dtype=torch.uint8, device=device)
    owned_areas, mask_areas, region_areas = areas = torch.zeros(3, count, dtype=torch.int64, device=device)
    for strip in masks if count else ():
        candidates = _candidates(strip, scores)
        probabilities = strip.logits(candidates).sigmoid_()
        solid_areas = (probabilities >= 0.5).sum((0, 3), dtype=torch.int32)
        mask_areas.index_add_(0, candidates.flatten(), solid_areas.flatten().long())
        best, winner = probabilities.mul_(scores[candidates, None]).max(dim=2)
        winner = candidates.expand(len(winner), -1, -1).gather(2, winner)
        inside = strip.join_tiles(best >= 0.5 * scores[winner])
        winner = strip.join_tiles(winner)
        owned_areas += torch.bincount(winner.flatten(), minlength=count)
        winner = torch.where(inside, winner, -1)
        region_areas += torch.bincount(winner.flatten() + 1, minlength=count + 1)[1:]
        owner[strip.rows] = winner
        confidence[strip.rows] = strip.join_tiles(_to_uint8(best))
    return _Pixels(owner.cpu().numpy(), confidence.cpu().numpy(), areas.cpu().numpy())


def _candidates(strip: Strip, scores: torch.Tensor) -> torch.Tensor:
    """(T, M) queries that can own a pixel of a tile, or have a probability of 0.5 in it; the others change nothing.

    Interpolation stays within the bounds of what it interpolates, so a query whose best case is worse than another's
    worst case owns nothing. M is that of the fullest tile; the others list some of the queries without effect.
    """
    lowest, highest = strip.bounds()
    safe_score = (scores * lowest.sigmoid()).amax(dim=1, keepdim=True)
    needed = (scores * highest.sigmoid() >= safe_score) | (highest >= 0)
    order = needed.sort(dim=1, descending=True, stable=True).indices
    return order[:, : int(needed.sum(dim=1).max())]


def _to_uint8(probability: torch.Tensor) -> torch.Tensor:
    return (probability.clamp(0, 1) * 255).round_().to(torch.uint8)
