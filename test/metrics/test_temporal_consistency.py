"""Pictures that move by whole pixels, so that what the flow must find is known."""

import cv2
import numpy as np
import pytest

from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.metrics.temporal_consistency import TemporalConsistency, follow_pixels
from bisenetformer_ros.results import UNLABELED, Segment, SegmentationResult

LABELS = LabelMap("three", tuple(Label(i, f"class {i}", i == 2, (0, 0, 0)) for i in range(3)))
HEIGHT, WIDTH, SHIFT = 96, 128, 4


def scene() -> np.ndarray:
    """(HEIGHT, WIDTH + 20) grey levels of smooth texture, in which every place looks different."""
    noise = np.random.default_rng(3).random((HEIGHT, WIDTH + 20)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def view(shift: int) -> np.ndarray:
    """(HEIGHT, WIDTH, 3): the camera `shift` pixels to the right."""
    return np.dstack([scene()[:, shift : shift + WIDTH]] * 3)


def stripes(shift: int, width: int = 16) -> np.ndarray:
    """Classes 0 and 1 in turns, fixed to the scene."""
    columns = np.arange(shift, shift + WIDTH) // width % 2
    return np.broadcast_to(columns.astype(np.uint8), (HEIGHT, WIDTH)).copy()


def semantic(label_map: np.ndarray) -> SegmentationResult:
    return SegmentationResult(label_map, np.zeros_like(label_map))


@pytest.mark.parametrize("scale", [1, 8])
def test_flow_follows_visible_pixels(scale: int) -> None:
    before, now = (cv2.resize(view(s)[..., 0], None, fx=scale, fy=scale) for s in (0, SHIFT))
    columns, rows, followed = follow_pixels(before, now)
    inner = (slice(8 * scale, -8 * scale), slice(8 * scale, -16 * scale))
    assert followed[inner].mean() > 0.99
    expected_columns, expected_rows = np.meshgrid(np.arange(WIDTH * scale) + SHIFT * scale, np.arange(HEIGHT * scale))
    assert np.abs(columns - expected_columns)[inner].max() <= scale
    assert np.abs(rows - expected_rows)[inner].max() <= scale
    assert not followed[:, -SHIFT * scale + scale :].any()  # was outside of the image


def test_labels_that_move_with_the_scene_are_consistent() -> None:
    consistency = TemporalConsistency(LABELS)
    assert consistency.update(view(0), semantic(stripes(0))) is None
    assert consistency.update(view(SHIFT), semantic(stripes(SHIFT))) > 0.97
    result = consistency.result()
    assert result.miou > 0.97
    assert 0.9 < result.compared < 1 - (SHIFT - 1) / WIDTH
    assert result.num_pairs == 1
    assert np.isnan(result.pq)


def test_labels_that_stay_while_the_scene_moves_are_not() -> None:
    consistency = TemporalConsistency(LABELS)
    consistency.update(view(0), semantic(stripes(0)))
    # Of the 124 columns seen twice, 4 at each of 7 borders have changed their class; of each class 48 have kept it.
    assert consistency.update(view(SHIFT), semantic(stripes(0))) == pytest.approx(48 / (48 + 7 * 4), abs=0.02)


def test_pixels_that_lose_their_class_count() -> None:
    label_map = stripes(0)
    hole = label_map.copy()
    hole[:, : WIDTH // 2] = UNLABELED
    consistency = TemporalConsistency(LABELS)
    consistency.update(view(0), semantic(label_map))
    # Standing still: of classes 0 and 1 half is left, and "unlabeled" was not there.
    assert consistency.update(view(0), semantic(hole)) == pytest.approx((0.5 + 0.5 + 0) / 3, abs=0.01)


def test_segments_are_matched_by_overlap_whatever_their_ids() -> None:
    def panoptic(ids: tuple[int, int]) -> SegmentationResult:
        panoptic_map = np.zeros((HEIGHT, WIDTH), np.uint16)
        label_map = np.full((HEIGHT, WIDTH), 2, np.uint8)
        panoptic_map[:, : WIDTH // 2], panoptic_map[:, WIDTH // 2 :] = ids
        box, segments = (0, 0, 1, 1), []
        for segment_id in ids:
            area = int((panoptic_map == segment_id).sum())
            segments.append(Segment(segment_id, 2, "class 2", True, 1.0, area, box, (0.0, 0.0)))
        return SegmentationResult(label_map, label_map, panoptic_map, tuple(segments))

    consistency = TemporalConsistency(LABELS)
    consistency.update(view(0), panoptic((1, 2)))
    consistency.update(view(0), panoptic((7, 3)))
    assert consistency.result().pq == pytest.approx(1.0)
    merged = panoptic((1, 2))
    whole = np.where(merged.panoptic_map == 2, 1, merged.panoptic_map).astype(np.uint16)
    consistency.update(view(0), SegmentationResult(merged.label_map, merged.label_map, whole, merged.segments[:1]))
    # 2 hits before; now one segment covers both, whose IoU with either is no more than a half: 1 false, 2 missed.
    assert consistency.result().pq == pytest.approx(2 / (2 + 0.5 * 3))


def test_nothing_is_compared_across_a_restart_or_a_new_size() -> None:
    consistency = TemporalConsistency(LABELS)
    consistency.update(view(0), semantic(stripes(0)))
    consistency.restart()
    assert consistency.update(view(0), semantic(1 - stripes(0))) is None
    half = np.ascontiguousarray(view(0)[::2])
    assert consistency.update(half, semantic(stripes(0)[::2])) is None
    result = consistency.result()
    assert result.num_pairs == 0
    assert np.isnan([result.miou, result.pq, result.compared]).all()
