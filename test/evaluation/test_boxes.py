"""Boxes of a scene that is written down by hand, and of the generator's own masks."""

import numpy as np
import pytest

from bisenetformer_ros.evaluation.boxes import BoxScores, compare_boxes
from bisenetformer_ros.images.frame_geometry import BOX, FrameGeometry
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.streets import StreetDrive

ROAD, CAR, PERSON = 3, 8, 9
SIZE = (60, 80)
MATRIX = np.array([[100.0, 0, 40], [0, 100.0, 30], [0, 0, 1]])
# Rows and columns, id, class and depth of surfaces that face the camera.
NEAR, FAR, SMALL = (slice(20, 41), slice(10, 31)), (slice(25, 36), slice(50, 61)), (slice(28, 32), slice(70, 75))
SURFACES = {7: (NEAR, CAR, 10.0), 8: (FAR, CAR, 20.0), 9: (SMALL, PERSON, 30.0)}


def scene() -> tuple[np.ndarray, FrameGeometry]:
    """Instances and geometry before a sky: two cars of 441 and 121 pixels, and a person of 20."""
    instances, depth = np.zeros(SIZE, np.uint16), np.full(SIZE, np.inf, np.float32)
    for id_, (place, _, distance) in SURFACES.items():
        instances[place], depth[place] = id_, distance
    # The middle of NEAR is at row 30 and column 20: x = -20 / 100 · 10 m. The true box reaches 4 m farther back.
    things = [
        (7, CAR, (-2, 0, 12), (2.1, 2.1, 4)),
        (8, CAR, (3, 0, 20), (2.2, 2.2, 0)),
        (9, PERSON, (9.6, -0.1, 30), (1, 1, 0)),
        (30, CAR, (0, 0, 99), (2, 2, 4)),  # hidden
    ]
    return instances, FrameGeometry(MATRIX, depth, np.array(things, BOX))


def result(*found: tuple[int, int, tuple[slice, slice]]) -> SegmentationResult:
    """Things by id, class and place on a road."""
    panoptic = np.full(SIZE, 99, np.uint16)
    segments = [Segment(99, ROAD, "road", False, 1.0, 1, (0, 0, 80, 60), (40, 30))]
    for id_, class_id, place in found:
        panoptic[place] = id_
        segments.append(Segment(id_, class_id, str(class_id), True, 1.0, 1, (0, 0, 80, 60), (40, 30)))
    return SegmentationResult(panoptic.astype(np.uint8), panoptic.astype(np.uint8), panoptic, tuple(segments))


def test_distance_of_the_centres() -> None:
    """The surface of the near car is 2 m before its centre, (-2, 0, 12); that of the far one is the whole box."""
    instances, geometry = scene()
    frame = compare_boxes(5, result((1, CAR, NEAR), (2, CAR, FAR)), instances, geometry)
    assert frame.stamp == 5
    assert frame.errors == {7: pytest.approx(2 / 148**0.5), 8: pytest.approx(0, abs=1e-6)}
    near, far = (box for _, box in frame.estimated)
    assert near.center == pytest.approx((-2, 0, 10))
    assert far.center == pytest.approx((3, 0, 20))
    assert frame.view == pytest.approx((-0.4, 0.39))
    assert frame.true["id"].tolist() == [7, 8, 9], "the hidden car cannot be seen"


@pytest.mark.parametrize(
    ("found", "is_found"),
    [
        ((1, CAR, NEAR), True),
        ((1, PERSON, NEAR), False),
        ((1, CAR, (slice(20, 41), slice(10, 21))), True),  # 11 of 21 columns
        ((1, CAR, (slice(20, 41), slice(10, 20))), False),  # 10 of 21
        ((1, CAR, (slice(20, 41), slice(0, 52))), False),  # 21 of 52: the road around it counts
    ],
)
def test_a_thing_is_found_by_more_than_half_of_the_union_in_its_class(found, is_found: bool) -> None:
    instances, geometry = scene()
    errors = compare_boxes(0, result(found), instances, geometry).errors
    assert (errors[7] is not None) == is_found
    assert errors[8] is None


def test_things_of_few_pixels_are_drawn_and_not_counted() -> None:
    instances, geometry = scene()
    frame = compare_boxes(0, result((3, PERSON, SMALL)), instances, geometry)
    assert set(frame.errors) == {7, 8}
    assert [segment.id for segment, _ in frame.estimated] == [3]


def test_figures_over_frames() -> None:
    """Errors of 2 / √148 and twice 0; the far car is missed once."""
    instances, geometry = scene()
    both, near = result((1, CAR, NEAR), (2, CAR, FAR)), result((1, CAR, NEAR))
    frames = [compare_boxes(0, shown, instances, geometry) for shown in (both, near)]
    scores = BoxScores(frames)
    assert scores.to_dict() == {
        "frames": 2,
        "things": 4,
        "found": 3,
        "median_center_error": pytest.approx(2 / 148**0.5),
    }
    nothing = BoxScores([compare_boxes(0, result(), instances, geometry)])
    assert (nothing.num_things, nothing.num_found) == (2, 0)
    assert np.isnan(nothing.median_error)


def test_the_sky_has_no_box() -> None:
    instances, geometry = scene()
    assert compare_boxes(0, result((4, CAR, (slice(0, 5), slice(0, 5)))), instances, geometry).estimated == []


def test_frames_without_depth_or_segments_are_left_out() -> None:
    instances, geometry = scene()
    shown = result((1, CAR, NEAR))
    assert compare_boxes(0, shown, instances, None) is None
    assert compare_boxes(0, shown, instances, FrameGeometry(MATRIX)) is None
    assert compare_boxes(0, SegmentationResult(shown.label_map, shown.confidence), instances, geometry) is None


def test_people_of_a_generated_drive_are_where_the_generator_puts_them() -> None:
    """People are flat and face the camera: with exact masks, their boxes are right to a percent."""
    drive = StreetDrive(29, 60, frame_rate_hz=5.0)
    frame, truth = drive[10], {thing.id: thing for thing in drive.things(10)}
    ids = [id_ for id_ in np.unique(frame.instance_map).tolist() if id_ and truth[id_].class_id == PERSON]
    things = [(id_, truth[id_].class_id, truth[id_].center, truth[id_].size) for id_ in ids]
    geometry = FrameGeometry(drive.camera_matrix(10), drive.depth(10), np.array(things, BOX))
    people = tuple(Segment(id_, PERSON, "pedestrian", True, 1.0, 1, (0, 0, 480, 360), (0, 0)) for id_ in ids)
    exact = SegmentationResult(frame.label_map, frame.label_map, frame.instance_map, people)
    scores = BoxScores([compare_boxes(0, exact, frame.instance_map, geometry)])
    assert scores.num_found == scores.num_things > 2
    assert scores.median_error < 0.01
