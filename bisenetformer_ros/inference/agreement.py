"""Agreement of two segmentations of the same frames."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality
from bisenetformer_ros.results import Segment, SegmentationResult

THRESHOLDS = (0.8, 0.8)
"""Score and overlap thresholds of the compared panoptic results."""
MIN_LABELS = {"fp32": 0.999, "fp16": 0.995, "bf16": 0.995, "int8": 0.99}
"""Required fraction of labels equal to those of PyTorch in fp32, by precision. int8 changes results slightly;
`bisenetformer evaluate` shows what that means for the task."""


@dataclass(frozen=True)
class Agreement:
    """Agreement as fractions of 0 to 1.

    Attributes:
        labels: Pixels with the same class.
        segments: Segments that match one of the same class in the other result, with an intersection over union above
            0.5. 1 if there are no segments, None for the semantic task.
    """

    labels: float
    segments: float | None

    def to_dict(self) -> dict[str, float | None]:
        return asdict(self)


def measure_agreement(
    results: Iterable[SegmentationResult], references: Iterable[SegmentationResult], labels: LabelMap
) -> Agreement:
    """Compare pairs of results, over all pixels and all segments of all pairs."""
    pairs = list(zip(results, references, strict=True))
    equal = np.concatenate([(ours.label_map == reference.label_map).ravel() for ours, reference in pairs])
    return Agreement(float(equal.mean()), _matched_segments(pairs, labels))


def match_segments(
    result: SegmentationResult, reference: SegmentationResult, labels: LabelMap
) -> list[tuple[Segment, Segment]]:
    """Pair the segments of the same class with an intersection over union above 0.5, for the panoptic task.

    Raises:
        InputError: The segments of a result are not those of its map.
    """
    assert result.panoptic_map is not None
    assert reference.panoptic_map is not None
    ours, theirs = ({segment.id: segment for segment in each.segments} for each in (result, reference))
    matches = PanopticQuality(labels.labels).update(
        result.panoptic_map, result.class_ids, reference.panoptic_map, reference.class_ids
    )
    return [(ours[hit.pred_id], theirs[hit.gt_id]) for hit in matches.hits]


def _matched_segments(pairs: list[tuple[SegmentationResult, SegmentationResult]], labels: LabelMap) -> float | None:
    if any(result.panoptic_map is None for pair in pairs for result in pair):
        return None
    matched = sum(2 * len(match_segments(*pair, labels)) for pair in pairs)
    total = sum(len(result.segments) for pair in pairs for result in pair)
    return matched / total if total else 1.0
