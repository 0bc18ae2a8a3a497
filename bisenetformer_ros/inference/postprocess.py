"""From the network's logits to a segmentation of the camera image.

Both tasks follow Mask2Former: mask logits are interpolated to the camera's resolution, converted to probabilities and
compared. Both work on tiles of the image and skip the queries and classes that the bounds of a tile's logits rule out,
which are most. Masks at camera resolution exist for BATCH_BYTES worth of tiles at a time: 100 masks of 1024x2048 take
800 MiB in full, and at most 56 MiB here besides the inputs, half of it for the result and a rearranged copy of the
logits.

The authors' SDK computes semantic maps in another order, which is faster and less accurate: "coarse" in
`postprocess_semantic`. docs/decisions/semantic-order.md compares the two.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from bisenetformer_ros.inference.segments import Queries, describe_segments, measure_regions, number_segments
from bisenetformer_ros.inference.tiles import MaskTiles
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED, ImageGeometry, SegmentationResult

BATCH_BYTES = 4 * 2**20
"""Fits in a CPU's caches."""
SCORE_TOLERANCE = 2**-10
"""Largest error of a semantic map's class scores, a quarter of a step of the confidence."""

SemanticOrder = Literal["full", "coarse"]
""""full" interpolates masks, then sums probabilities per class. "coarse" sums per class at the masks' resolution, 1/8,
then interpolates the class scores."""


def postprocess(
    task: str,
    class_logits: Tensor,
    mask_logits: Tensor,
    geometry: ImageGeometry,
    labels: LabelMap,
    score_threshold: float,
    overlap_threshold: float,
    order: SemanticOrder = "full",
) -> SegmentationResult:
    """Run `postprocess_semantic`, which has no thresholds, or `postprocess_panoptic`, which has no order."""
    if task == "semantic":
        return postprocess_semantic(class_logits, mask_logits, geometry, labels, order)
    return postprocess_panoptic(class_logits, mask_logits, geometry, labels, score_threshold, overlap_threshold)


@torch.inference_mode()
def postprocess_semantic(
    class_logits: Tensor,
    mask_logits: Tensor,
    geometry: ImageGeometry,
    labels: LabelMap,
    order: SemanticOrder = "full",
) -> SegmentationResult:
    """Find the most probable class of every pixel.

    The score of class c at a pixel is Σ_q p_q(c) · sigmoid(mask_q), within SCORE_TOLERANCE for "full" (semantic
    inference of Mask2Former, Cheng et al., CVPR 2022).

    Args:
        class_logits: (N, K + 1); the last class is "no object".
        mask_logits: (N, h, w), covering the padded image.
        geometry: How the camera image was brought to the network's size.
        labels: The K classes.
        order: See `SemanticOrder`.

    Returns:
        A result without segments; the confidence is the winner's score, clipped to 0..1.
    """
    probabilities = class_logits.float().softmax(-1)[:, : len(labels)]
    if order == "coarse":
        maps = (probabilities.T @ mask_logits.float().sigmoid().flatten(1)).unflatten(1, mask_logits.shape[1:])
        tiles = MaskTiles(maps, geometry)
        best, classes = _best_class(tiles)
    else:
        tiles = MaskTiles(mask_logits, geometry)
        best, classes = _best_sum(tiles, probabilities)
    return SegmentationResult(tiles.assemble(classes).cpu().numpy(), tiles.assemble(best).cpu().numpy())


def _best_class(tiles: MaskTiles) -> tuple[Tensor, Tensor]:
    """Return the best score and class at every pixel of tiles of class scores, (T, P) uint8 each."""
    lowest, highest = tiles.bounds()
    candidates, counts = _needed_first(highest >= lowest.amax(dim=1, keepdim=True))
    best, classes = (tiles.new_map(torch.uint8) for _ in range(2))
    for batch, count in tiles.batches(counts, BATCH_BYTES):
        chosen = candidates[batch, :count]
        _keep_best(tiles.logits(batch, chosen), chosen, batch, best, classes)
    return best, classes


def _best_sum(tiles: MaskTiles, probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same as `_best_class`, from tiles of mask logits and the queries' class probabilities (N, K).

    See `plan_sum` for the masks that are summed. Classes that cannot win in a tile are skipped.
    """
    lowest, highest = (bound.sigmoid() for bound in tiles.bounds())
    middle, queries, counts = plan_sum(lowest, highest, probabilities)
    likely = highest @ probabilities >= (lowest @ probabilities).amax(dim=1, keepdim=True)
    candidates, class_counts = _needed_first(likely)
    best, classes = (tiles.new_map(torch.uint8) for _ in range(2))
    for batch, count in tiles.batches(counts, BATCH_BYTES):
        summed, chosen = queries[batch, :count], candidates[batch, : int(class_counts[batch].max())]
        constant = (middle[batch].scatter(1, summed, 0) @ probabilities).gather(1, chosen)
        weights = probabilities[summed[:, None], chosen[:, :, None]]
        scores = torch.baddbmm(constant[:, :, None], weights, tiles.logits(batch, summed).sigmoid_())
        _keep_best(scores, chosen, batch, best, classes)
    return best, classes


def plan_sum(lowest: Tensor, highest: Tensor, probabilities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Plan which masks to sum in each of T tiles.

    In most tiles, most masks are nearly 0 or nearly 1 throughout. Such masks count with the middle of their bounds, as
    long as the errors sum to at most SCORE_TOLERANCE.

    Args:
        lowest: (…, T, N) lower bounds of the masks' probabilities in the tiles.
        highest: (…, T, N) upper bounds.
        probabilities: (…, N, K) the queries' class probabilities.

    Returns:
        The middles (…, T, N); the queries (…, T, N) int64, of which the first ones are to be summed; their number
        (…, T).
    """
    middle = (lowest + highest) / 2
    weights = probabilities.amax(-1).unsqueeze(-2)
    errors, queries = ((highest - middle) * weights).sort(dim=-1, descending=True)
    return middle, queries, (errors.flip(-1).cumsum(-1) > SCORE_TOLERANCE).sum(-1)


def _keep_best(scores: Tensor, of_classes: Tensor, batch: Tensor, best: Tensor, classes: Tensor) -> None:
    """Write the best of the scores (B, C, P) of classes (B, C) into the tiles `batch` (B,) of (T, P) maps."""
    highest, winner = _largest(scores, of_classes)
    best.index_copy_(0, batch, _to_uint8(highest))
    classes.index_copy_(0, batch, winner.to(torch.uint8))


def _largest(values: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest of the values (B, M, P) along M, and which of the numbers (B, M), as float32, it belongs to.

    The first one of equal values. PyTorch's `max` along a dimension compares one value at a time on a CPU; these
    operators compare as many as a register holds, as long as their results are floats, too.
    """
    largest, number = values[:, 0].clone(), numbers[:, :1].float().expand(-1, values.shape[2]).contiguous()
    larger = torch.empty_like(largest)
    for value, its_number in zip(values.unbind(1)[1:], numbers.float().unbind(1)[1:], strict=True):
        torch.gt(value, largest, out=larger)
        torch.maximum(value, largest, out=largest)
        number.lerp_(its_number[:, None], larger)  # exact, since the weight is 0 or 1
    return largest, number


@torch.inference_mode()
def postprocess_panoptic(
    class_logits: Tensor,
    mask_logits: Tensor,
    geometry: ImageGeometry,
    labels: LabelMap,
    score_threshold: float = 0.8,
    overlap_threshold: float = 0.8,
) -> SegmentationResult:
    """Find things as instances and stuff as one segment per class (panoptic inference of Mask2Former).

    A query takes part if its most probable class is an object with a probability above `score_threshold`. The query
    with the largest score · sigmoid(mask) owns a pixel; that product is the pixel's confidence. A query's region is the
    part it owns at a mask probability of at least 0.5.

    Args:
        class_logits: (N, K + 1); the last class is "no object".
        mask_logits: (N, h, w), covering the padded image.
        geometry: How the camera image was brought to the network's size.
        labels: The K classes.
        score_threshold: 0 to 1.
        overlap_threshold: 0 to 1. A region is dropped if its query owns less than this fraction of the pixels at which
            its mask probability is at least 0.5.

    Returns:
        A result with segments. Pixels without a region are unlabeled, with confidence 0. The score of stuff that
        several queries share is their mean, weighted by area.
    """
    best_scores, best_classes = class_logits.float().softmax(-1).max(-1)
    kept = (best_classes != len(labels)) & (best_scores > score_threshold)
    pixels = _assign_pixels(best_scores[kept], MaskTiles(mask_logits[kept], geometry))
    scores, classes = best_scores[kept].cpu().numpy(), best_classes[kept].cpu().numpy()
    queries = Queries(classes, scores, *pixels.areas)
    ids = number_segments(queries, labels, overlap_threshold)
    panoptic_map = _of_regions(ids, 0).astype(np.uint16)[pixels.code]
    label_map = _of_regions(np.where(ids > 0, classes, UNLABELED), UNLABELED).astype(np.uint8)[pixels.code]
    pixels.confidence[panoptic_map == 0] = 0
    regions = measure_regions(panoptic_map, int(ids.max(initial=0)))
    segments = describe_segments(ids, [region for region in regions if region is not None], queries, labels)
    return SegmentationResult(label_map, pixels.confidence, panoptic_map, segments)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Assignment of pixels to N queries.

    Attributes:
        code: (H, W) int16, twice the query that owns the pixel, plus 1 if its region contains the pixel.
        confidence: (H, W) uint8.
        areas: (3, N) owned, mask and region areas, as in `Queries`.
    """

    code: np.ndarray
    confidence: np.ndarray
    areas: np.ndarray


def _assign_pixels(scores: Tensor, tiles: MaskTiles) -> _Pixels:
    code, confidence = tiles.new_map(torch.int16), tiles.new_map(torch.uint8)
    mask_areas = torch.zeros(len(scores), dtype=torch.int64, device=scores.device)
    pixels_of_codes = mask_areas.new_zeros(2 * len(scores))
    half_scores = 0.5 * scores
    candidates, counts = _needed_first(_needed_queries(tiles, scores))
    for batch, most in tiles.batches(counts, BATCH_BYTES) if len(scores) else ():
        chosen = candidates[batch, :most]
        probabilities = tiles.logits(batch, chosen).sigmoid_()
        if tiles.inside is not None:
            probabilities *= tiles.inside[batch, None]
        solid_areas = probabilities.clone().ge_(0.5).sum(2)  # of floats, as in `_largest`
        mask_areas.index_add_(0, chosen.flatten(), solid_areas.flatten().long())
        best, owner = _largest(probabilities.mul_(scores[chosen, None]), chosen)
        solid = best >= half_scores.index_select(0, owner.int().flatten()).view_as(best)
        codes = owner.mul_(2).add_(solid).int()
        counted = codes if tiles.inside is None else codes[tiles.inside[batch]]
        pixels_of_codes += torch.bincount(counted.flatten(), minlength=len(pixels_of_codes))
        code.index_copy_(0, batch, codes.short())
        confidence.index_copy_(0, batch, _to_uint8(best))
    beyond, within = pixels_of_codes.view(-1, 2).unbind(1)
    areas = torch.stack([beyond + within, mask_areas, within])
    return _Pixels(tiles.assemble(code).cpu().numpy(), tiles.assemble(confidence).cpu().numpy(), areas.cpu().numpy())


def _of_regions(values: np.ndarray, elsewhere: int) -> np.ndarray:
    """Return a table from `_Pixels.code` to the value of the query whose region it is, `elsewhere` without one."""
    table = np.full((max(1, len(values)), 2), elsewhere)
    table[: len(values), 1] = values
    return table.ravel()


def _needed_queries(tiles: MaskTiles, scores: Tensor) -> Tensor:
    """Return (T, N) bool: queries that can own a pixel of the tile or reach a probability of 0.5 in it.

    Interpolation stays within the bounds of its sources, so a query whose best case is below another's worst case owns
    nothing.
    """
    lowest, highest = tiles.bounds()
    safe_score = (scores * lowest.sigmoid()).sort(dim=1).values[:, -1:]
    return (scores * highest.sigmoid() >= safe_score) | (highest >= 0)


def _needed_first(needed: Tensor) -> tuple[Tensor, Tensor]:
    """Sort (T, N) bool into indices, needed ones first, in order; also return their count (T,), at least 1."""
    return needed.sort(dim=1, descending=True, stable=True).indices, needed.sum(dim=1).clamp(min=1)


def _to_uint8(probability: Tensor) -> Tensor:
    return (probability.clamp(0, 1) * 255).round_().to(torch.uint8)
