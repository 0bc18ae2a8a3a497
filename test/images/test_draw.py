import numpy as np
import pytest

from bisenetformer_ros.images.draw import colorize, draw_names, overlay
from bisenetformer_ros.inference.segments import measure_regions
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

ROAD, CAR = 0, 1
LABELS = LabelMap("two", (Label(ROAD, "road", False, (128, 64, 128)), Label(CAR, "car", True, (0, 0, 142))))


def panoptic(panoptic_map: np.ndarray, classes: dict[int, int]) -> SegmentationResult:
    regions = measure_regions(panoptic_map, max(classes))
    segments = tuple(
        Segment(i, c, LABELS[c].name, LABELS[c].is_thing, 0.9, **vars(regions[i - 1])) for i, c in classes.items()
    )
    lut = np.full(max(classes) + 1, 255, np.uint8)
    lut[list(classes)] = list(classes.values())
    label_map = lut[panoptic_map]
    return SegmentationResult(label_map, np.full_like(label_map, 255), panoptic_map, segments)


@pytest.fixture
def street() -> SegmentationResult:
    """Nothing on top, two cars side by side in the middle, road below; 120x160."""
    panoptic_map = np.zeros((120, 160), np.uint16)
    panoptic_map[40:80, 20:80] = 1
    panoptic_map[40:80, 80:140] = 2
    panoptic_map[80:] = 3
    return panoptic(panoptic_map, {1: CAR, 2: CAR, 3: ROAD})


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def test_colorize_uses_class_colours() -> None:
    colors = colorize(np.array([[0, 1, 255]], np.uint8), LABELS)
    np.testing.assert_array_equal(colors, [[[128, 64, 128], [0, 0, 142], [0, 0, 0]]])
    assert colors.dtype == np.uint8


def test_semantic_overlay_keeps_unlabeled_pixels(picture: np.ndarray) -> None:
    label_map = np.full((120, 160), 255, np.uint8)
    label_map[60:, :80], label_map[60:, 80:] = ROAD, CAR
    blended = overlay(picture, SegmentationResult(label_map, label_map), LABELS, alpha=0.25)
    np.testing.assert_array_equal(blended[:60], picture[:60])
    for columns, color in ((slice(0, 80), (128, 64, 128)), (slice(80, 160), (0, 0, 142))):
        expected = 0.75 * picture[60:, columns] + 0.25 * np.array(color)
        np.testing.assert_allclose(blended[60:, columns], expected, atol=0.51)


def test_alpha_blends_from_image_to_colours(picture: np.ndarray) -> None:
    label_map = np.full((120, 160), ROAD, np.uint8)
    result = SegmentationResult(label_map, label_map)
    np.testing.assert_array_equal(overlay(picture, result, LABELS, alpha=0), picture)
    np.testing.assert_array_equal(overlay(picture, result, LABELS, alpha=1), colorize(label_map, LABELS))


def test_instances_have_distinct_shades_and_a_light_rim(picture: np.ndarray, street: SegmentationResult) -> None:
    painted = overlay(picture, street, LABELS, alpha=1)
    np.testing.assert_array_equal(painted[:39], picture[:39])
    assert (painted[82:] == LABELS[ROAD].color).all()
    left, right = painted[60, 50].astype(int), painted[60, 110].astype(int)
    assert np.abs(left - right).max() > 10
    for shade, column in ((left, 20), (left, 79), (right, 80), (right, 139)):
        rim = painted[60, column].astype(int)
        assert rim.sum() > shade.sum() + 100
        assert rim[2] == rim.max()  # still blue, as cars are


def test_more_than_256_segments(picture: np.ndarray) -> None:
    panoptic_map = (np.arange(120 * 160) // 64).reshape(120, 160).astype(np.uint16) + 1  # 300 segments
    result = panoptic(panoptic_map, dict.fromkeys(range(1, 301), ROAD))
    assert (overlay(picture, result, LABELS, alpha=1) == LABELS[ROAD].color).all()


def test_a_thing_keeps_its_shade_with_its_id_whatever_else_there_is(picture: np.ndarray) -> None:
    panoptic_map = np.zeros((120, 160), np.uint16)
    panoptic_map[40:80, 20:80] = 1000
    alone = overlay(picture, panoptic(panoptic_map, {1000: CAR}), LABELS, alpha=1)[60, 50]
    panoptic_map[40:80, 20:80] = 400
    other = overlay(picture, panoptic(panoptic_map, {400: CAR}), LABELS, alpha=1)[60, 50]
    panoptic_map[40:80, 80:140] = 1000
    both = overlay(picture, panoptic(panoptic_map, {400: CAR, 1000: CAR}), LABELS, alpha=1)[60, (50, 110)]
    np.testing.assert_array_equal(both, [other, alone])
    assert (alone != other).any()


def test_ids_are_written_on_things_alone(picture: np.ndarray, street: SegmentationResult) -> None:
    changed = (overlay(picture, street, LABELS, with_ids=True) != overlay(picture, street, LABELS)).any(axis=2)
    assert changed[40:80, 20:80].any()
    assert changed[40:80, 80:140].any()
    changed[40:80, 20:140] = False
    assert not changed.any()


def test_output_arrays_are_used(picture: np.ndarray, street: SegmentationResult) -> None:
    canvas = np.zeros_like(picture)
    assert overlay(picture, street, LABELS, out=canvas) is canvas
    np.testing.assert_array_equal(canvas, overlay(picture, street, LABELS))
    assert colorize(street.label_map, LABELS, out=canvas) is canvas
    np.testing.assert_array_equal(canvas, colorize(street.label_map, LABELS))


def test_inputs_are_not_modified(picture: np.ndarray, street: SegmentationResult) -> None:
    before = picture.copy()
    picture.setflags(write=False)
    draw_names(overlay(picture, street, LABELS), street, LABELS)
    draw_names(picture, street, LABELS)
    np.testing.assert_array_equal(picture, before)


def test_names_lie_on_their_segments_and_tiny_segments_have_none() -> None:
    panoptic_map = np.full((120, 160), 1, np.uint16)
    panoptic_map[100:, 60:] = 2
    panoptic_map[:3, :3] = 3
    result = panoptic(panoptic_map, {1: ROAD, 2: CAR, 3: CAR})
    blank = np.full((120, 160, 3), 90, np.uint8)
    changed = (draw_names(blank, result, LABELS) != blank).any(axis=2)
    assert changed[100:, 60:].any()
    assert changed[:90].any()
    assert not changed[:3, :3].any()
    assert changed.mean() < 0.2


def test_a_segment_in_the_corner_of_a_tiny_image() -> None:
    result = panoptic(np.ones((1, 1), np.uint16), {1: CAR})
    pixel = np.zeros((1, 1, 3), np.uint8)
    assert overlay(pixel, result, LABELS).shape == draw_names(pixel, result, LABELS).shape == (1, 1, 3)


def test_a_panoptic_result_without_segments(picture: np.ndarray) -> None:
    nothing = SegmentationResult(
        np.full((120, 160), 255, np.uint8), np.zeros((120, 160), np.uint8), np.zeros((120, 160), np.uint16)
    )
    np.testing.assert_array_equal(overlay(picture, nothing, LABELS), picture)
    np.testing.assert_array_equal(draw_names(picture, nothing, LABELS), picture)
