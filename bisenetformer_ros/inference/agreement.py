"""How far two segmentations of one frame agree."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.panoptic_quality import PanopticQuality
from bisenetformer_ros.results import SegmentationResult

MIN_AGREEMENT = {"fp32": 0.999, "fp16": 0.995}
"""By precision: the share of the pixels that have to have the same label."""
THRESHOLDS = (0.8, 0.8)
"""Of score and overlap, for panoptic engines."""
MIN_LABELS = MIN_AGREEMENT | {"bf16": MIN_AGREEMENT["fp16"], "int8": 0.99}
"""By precision, the least share of labels that has to be that of PyTorch in fp32. Integers change a little of what is
seen; what that means for the task is a question for `bisenetformer evaluate`."""


@dataclass(frozen=True)
class Agreement:
    """Shares of 0..1. labels: pixels of the same class. segments: those that have a partner of the same class in the
    other result, with an intersection over union above 0.5; 1 where neither has any, None for the semantic task."""

    labels: float
    segments: float | None

    def to_dict(self) -> dict[str, float | None]:
        return asdict(self)


def measure_agreement(
    results: Iterable[SegmentationResult], references: Iterable[SegmentationResult], labels: LabelMap
) -> Agreement:
    """Over all pixels and all segments of pairs of results."""
    pairs = list(zip(results, references, strict=True))
    equal = np.concatenate([(ours.label_map == reference.label_map).ravel() for ours, reference in pairs])
    return Agreement(float(equal.mean()), _shared_segments(pairs, labels))


def _shared_segments(pairs: list[tuple[SegmentationResult, SegmentationResult]], labels: LabelMap) -> float | None:
    quality = PanopticQuality(labels.labels)
    shared, total = 0, 0
    for pair in pairs:
        maps = [result.panoptic_map for result in pair]
        if maps[0] is None or maps[1] is None:
            return None
        ours, reference = ({segment.id: segment.class_id for segment in result.segments} for result in pair)
        shared += 2 * len(quality.update(maps[0], ours, maps[1], reference).hits)
        total += len(ours) + len(reference)
    return shared / total if total else 1.0
