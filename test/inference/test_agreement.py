import numpy as np
import pytest

from bisenetformer_ros.inference.agreement import measure_agreement
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

LABELS = LabelMap.anonymous(4)


def semantic(*rows: list[int]) -> SegmentationResult:
    label_map = np.array(rows, np.uint8)
    return SegmentationResult(label_map, np.zeros_like(label_map))


def panoptic(panoptic_map: list[list[int]], *class_ids: int) -> SegmentationResult:
    segment_map = np.array(panoptic_map, np.uint16)
    label_map = np.array([255, *class_ids], np.uint8)[segment_map]
    segments = tuple(
        Segment(i, class_id, f"class_{class_id}", False, 1.0, int((segment_map == i).sum()), (0, 0, 1, 1), (0.0, 0.0))
        for i, class_id in enumerate(class_ids, start=1)
    )
    return SegmentationResult(label_map, np.zeros_like(label_map), segment_map, segments)


def test_labels_are_counted_over_all_frames() -> None:
    frames = [semantic([0, 1, 2, 3]), semantic([3, 3], [3, 3])]
    others = [semantic([0, 1, 2, 0]), semantic([3, 3], [255, 3])]
    agreement = measure_agreement(frames, others, LABELS)
    assert agreement.to_dict() == {"labels": 6 / 8, "segments": None}


def test_segments_match_by_class_and_overlap() -> None:
    ours = panoptic([[1, 1, 1, 1, 2, 2, 3, 3]], 0, 1, 2)
    reference = panoptic([[1, 1, 1, 0, 2, 2, 3, 3]], 0, 1, 3)  # the third is of another class
    agreement = measure_agreement([ours], [reference], LABELS)
    assert agreement.segments == pytest.approx(2 * 2 / (3 + 3))
    assert agreement.labels == 5 / 8


def test_an_extra_segment_counts_half_a_pair() -> None:
    assert measure_agreement([panoptic([[1, 1, 0]], 2)], [panoptic([[1, 1, 2]], 2, 0)], LABELS).segments == 2 / 3


def test_two_empty_results_agree() -> None:
    nothing = panoptic([[0, 0]])
    assert measure_agreement([nothing], [nothing], LABELS).to_dict() == {"labels": 1.0, "segments": 1.0}


def test_unequal_numbers_of_frames_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        measure_agreement([semantic([0])], [], LABELS)
