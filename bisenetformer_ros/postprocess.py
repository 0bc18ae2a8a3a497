"""From the logits of the network to a segmentation of the camera image.

Both tasks follow Mask2Former: mask logits are interpolated to the camera's resolution first, then made probabilities
and compared. Both stream: the masks exist at that resolution in strips of rows of about STRIP_BYTES only.
"""

from dataclasses import dataclass

import numpy as np
import torch

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import UNLABELED, ImageGeometry, Segment, SegmentationResult
from bisenetformer_ros.upsampling import MaskUpsampler

STRIP_BYTES = 8 * 2**20


@torch.inference_mode()
def postprocess_semantic(
    class_logits: torch.Tensor, mask_logits: torch.Tensor, geometry: ImageGeometry, labels: LabelMap
) -> SegmentationResult:
    """The most probable class of every pixel.

    class_logits: (N, K + 1), the last class is "no object". mask_logits: (N, h, w), covering the padded image.
    The score of class c at a pixel is Σ_q p_q(c) · sigmoid(mask_q); the confidence is the winner's, clipped to 0..1.
    Memory besides inputs and result: 1.5 mask_logits and 3 STRIP_BYTES.
    """
    class_probabilities = class_logits.float().softmax(-1)[:, : len(labels)].T.contiguous()
    label_map = torch.empty(geometry.image_size, dtype=torch.uint8, device=mask_logits.device)
    confidence = torch.empty_like(label_map)
    for strip in MaskUpsampler(mask_logits, geometry, STRIP_BYTES):
        scores, classes = (class_probabilities @ strip.logits.sigmoid_()).max(dim=2)
        label_map[strip.rows] = strip.join_tiles(classes)
        confidence[strip.rows] = _to_uint8(strip.join_tiles(scores))
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
    """Things as instances, stuff as one region per class, the rest unlabeled.

    A query takes part if its most probable class is an object and that probability exceeds `score_threshold`. Each
    pixel belongs to the query with the largest score · sigmoid(mask). A segment is the part of what its query owns
    where the query's own mask probability is at least 0.5; it is dropped if what the query owns is less than
    `overlap_threshold` of the area where its mask probability is at least 0.5.
    Shapes and memory as in `postprocess_semantic`; the confidence of a pixel is the owner's score · sigmoid(mask), and
    0 where unlabeled. The score of stuff that several queries share is the mean of theirs, weighted by area.
    """
    scores, classes = class_logits.float().softmax(-1).max(-1)
    kept = (classes != len(labels)) & (scores > score_threshold)
    scores, classes = scores[kept], classes[kept]
    pixels = _assign_pixels(scores, mask_logits[kept], geometry)
    segment_ids = _number_segments(pixels, classes.tolist(), labels, overlap_threshold)
    panoptic_map = np.concatenate([[0], segment_ids]).astype(np.uint16)[pixels.owner]
    label_map = np.concatenate([[UNLABELED], classes.cpu().numpy()]).astype(np.uint8)[pixels.owner]
    dropped = panoptic_map == 0
    label_map[dropped] = UNLABELED
    pixels.confidence[dropped] = 0
    segments = _describe(panoptic_map, segment_ids, pixels, scores.tolist(), classes.tolist(), labels)
    return SegmentationResult(label_map, pixels.confidence, panoptic_map, segments)


@dataclass(frozen=True)
class _Pixels:
    """owner: (H, W) int16, 1 + the owning query where its mask probability is at least 0.5, else 0.

    confidence: (H, W) uint8. owned_areas: (N,) pixels each query owns at any probability. mask_areas: (N,) pixels where
    its probability is at least 0.5, owned or not. region_areas: (N,) pixels with both.
    """

    owner: np.ndarray
    confidence: np.ndarray
    owned_areas: np.ndarray
    mask_areas: np.ndarray
    region_areas: np.ndarray


def _assign_pixels(scores: torch.Tensor, mask_logits: torch.Tensor, geometry: ImageGeometry) -> _Pixels:
    count, device = len(scores), mask_logits.device
    owner = torch.zeros(geometry.image_size, dtype=torch.int16, device=device)
    confidence = torch.zeros(geometry.image_size, dtype=torch.uint8, device=device)
    owned_areas, mask_areas, region_areas = torch.zeros(3, count, dtype=torch.int64, device=device)
    for strip in MaskUpsampler(mask_logits, geometry, STRIP_BYTES) if count else ():
        probabilities = strip.logits.sigmoid_()
        mask_areas += (probabilities >= 0.5).sum((0, 1, 3))
        best, query = (probabilities * scores[:, None]).max(dim=2)
        inside = strip.join_tiles(best >= 0.5 * scores[query])
        query = strip.join_tiles(query)
        owner[strip.rows] = ((query + 1) * inside).short()
        confidence[strip.rows] = _to_uint8(strip.join_tiles(best))
        owned_areas += torch.bincount(query.flatten(), minlength=count)
        region_areas += torch.bincount(query[inside], minlength=count)
    arrays = (owner, confidence, owned_areas, mask_areas, region_areas)
    return _Pixels(*(array.cpu().numpy() for array in arrays))


def _number_segments(pixels: _Pixels, classes: list[int], labels: LabelMap, overlap_threshold: float) -> np.ndarray:
    """(N,) segment id of each query, from 1 in the order of the queries; 0 if dropped. A stuff class has one id."""
    ids = np.zeros(len(classes), int)
    stuff_ids: dict[int, int] = {}
    for query, class_id in enumerate(classes):
        if pixels.region_areas[query] == 0:
            continue
        if pixels.owned_areas[query] / pixels.mask_areas[query] < overlap_threshold:
            continue
        next_id = int(ids.max()) + 1
        ids[query] = next_id if labels[class_id].is_thing else stuff_ids.setdefault(class_id, next_id)
    return ids


def _describe(
    panoptic_map: np.ndarray,
    segment_ids: np.ndarray,
    pixels: _Pixels,
    scores: list[float],
    classes: list[int],
    labels: LabelMap,
) -> tuple[Segment, ...]:
    count = int(segment_ids.max(initial=0))
    per_row = _marginal(panoptic_map, count, axis=0)
    per_column = _marginal(panoptic_map, count, axis=1)
    segments = []
    for segment_id in range(1, count + 1):
        queries = np.flatnonzero(segment_ids == segment_id)
        label = labels[classes[queries[0]]]
        rows, columns = per_row[:, segment_id], per_column[:, segment_id]
        (top, bottom), (left, right) = _extent(rows), _extent(columns)
        score = float(np.average([scores[query] for query in queries], weights=pixels.region_areas[queries]))
        centroid = (_mean_position(columns), _mean_position(rows))
        box = (left, top, right, bottom)
        segments.append(
            Segment(segment_id, label.id, label.name, label.is_thing, score, int(rows.sum()), box, centroid)
        )
    return tuple(segments)


def _marginal(panoptic_map: np.ndarray, count: int, axis: int) -> np.ndarray:
    """(size of the axis, count + 1): how many pixels of each segment lie in each row (axis 0) or column (axis 1)."""
    size = panoptic_map.shape[axis]
    histogram = np.zeros(size * (count + 1), np.int64)
    offsets = np.arange(size)[:, None] * (count + 1)
    lines = panoptic_map if axis == 0 else panoptic_map.T
    for start in range(0, size, 64):  # in chunks: bincount makes 8-byte copies of what it counts
        chunk = lines[start : start + 64] + offsets[start : start + 64]
        histogram += np.bincount(chunk.ravel(), minlength=len(histogram))
    return histogram.reshape(size, count + 1)


def _extent(histogram: np.ndarray) -> tuple[int, int]:
    occupied = np.flatnonzero(histogram)
    return int(occupied[0]), int(occupied[-1]) + 1


def _mean_position(histogram: np.ndarray) -> float:
    return float(histogram @ np.arange(len(histogram)) / histogram.sum())


def _to_uint8(probability: torch.Tensor) -> torch.Tensor:
    return (probability.clamp(0, 1) * 255).round_().to(torch.uint8)
