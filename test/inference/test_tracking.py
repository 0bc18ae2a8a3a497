"""Tracks of rectangles that move by known rules, and of generated drives with exact masks."""

from dataclasses import replace

import numpy as np
import pytest

from bisenetformer_ros.inference.tracking import MAX_GAP_S, MAX_ID, Tracker
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.metrics.video_quality import VideoQuality
from bisenetformer_ros.results import Segment, SegmentationResult
from bisenetformer_ros.streets import StreetDrive

SIZE = (120, 200)
LABELS = LabelMap.load("camvid11")
NAMES = [label.name for label in LABELS]
ROAD, CAR, PERSON = NAMES.index("road"), NAMES.index("car"), NAMES.index("pedestrian")


def frame(
    things: list[tuple[int, int, int]], size: tuple[int, int] = (20, 30), first_id: int = 1
) -> SegmentationResult:
    """A road with rectangles of (height, width), each given by class, x and y of its top left corner.

    Their ids count from `first_id` in the given order; that of the road is the last.
    """
    panoptic_map = np.full(SIZE, first_id + len(things), np.uint16)
    label_map = np.full(SIZE, ROAD, np.uint8)
    segments = []
    for number, (class_id, x, y) in enumerate(things, first_id):
        region = slice(y, y + size[0]), slice(x, x + size[1])
        panoptic_map[region], label_map[region] = number, class_id
        box = (x, y, x + size[1], y + size[0])
        area = size[0] * size[1]
        segments.append(Segment(number, class_id, NAMES[class_id], True, 0.9, area, box, (x + 15.0, y + 10.0)))
    road = Segment(first_id + len(things), ROAD, "road", False, 0.9, 10_000, (0, 0, *SIZE[::-1]), (100.0, 60.0))
    return SegmentationResult(label_map, np.full(SIZE, 200, np.uint8), panoptic_map, (*segments, road))


def ids_at(result: SegmentationResult, *points: tuple[int, int]) -> list[int]:
    """Ids at x, y."""
    return [int(result.panoptic_map[y, x]) for x, y in points]


def test_ids_follow_the_things_whatever_their_order_in_the_result():
    tracker = Tracker()
    first = tracker.update(frame([(CAR, 10, 10), (CAR, 100, 60)]))
    car, other = ids_at(first, (12, 12), (102, 62))
    for step in range(1, 12):
        things = [(CAR, 10 + 5 * step, 10), (CAR, 100 - 5 * step, 60)]
        result = tracker.update(frame(things[:: (-1) ** step], first_id=1 + step))
        assert ids_at(result, (12 + 5 * step, 12), (102 - 5 * step, 62)) == [car, other]
        assert [segment.id for segment in result.segments] == sorted({car, other, *ids_at(result, (1, 119))})
        for segment in result.segments:
            assert (result.panoptic_map == segment.id).sum() == (10_000 if segment.area == 10_000 else 600) or (
                segment.class_id == ROAD
            )
    assert ids_at(result, (1, 119)) == ids_at(first, (1, 119)), "stuff keeps one id per class"


def test_a_thing_that_was_hidden_gets_its_id_back_where_its_motion_leads_until_it_is_forgotten():
    tracker = Tracker(max_missing=4)
    for step in range(4):
        before = tracker.update(frame([(CAR, 8 * step, 50)]))
    (car,) = ids_at(before, (26, 52))
    for _ in range(4):
        tracker.update(frame([]))
    again = tracker.update(frame([(CAR, 8 * 8, 50)]))
    assert ids_at(again, (66, 52)) == [car]
    for _ in range(5):
        tracker.update(frame([]))
    assert ids_at(tracker.update(frame([(CAR, 8 * 14, 50)])), (8 * 14 + 2, 52)) != [car]


def test_a_track_is_not_continued_by_another_class():
    tracker = Tracker()
    (car,) = ids_at(tracker.update(frame([(CAR, 50, 50)])), (52, 52))
    assert ids_at(tracker.update(frame([(PERSON, 50, 50)])), (52, 52)) != [car]


def test_the_nearer_and_more_alike_of_two_things_continues_the_track_and_the_other_is_new():
    tracker = Tracker()
    (car,) = ids_at(tracker.update(frame([(CAR, 50, 50)])), (52, 52))
    result = tracker.update(frame([(CAR, 90, 50), (CAR, 53, 51)]))
    assert ids_at(result, (55, 53)) == [car]
    assert ids_at(result, (92, 52)) != [car]


@pytest.mark.parametrize(
    ("stamps", "same"),
    [((5.0, 5.1), True), ((5.0, 5.0 + MAX_GAP_S), True), ((5.0, 5.1 + MAX_GAP_S), False), ((5.0, 4.9), False)],
)
def test_tracks_end_where_the_stamps_leap_or_go_back(stamps, same):
    tracker = Tracker()
    first, second = (tracker.update(frame([(CAR, 50, 50)]), stamp) for stamp in stamps)
    assert (ids_at(first, (52, 52)) == ids_at(second, (52, 52))) is same


def test_tracks_end_at_a_cut():
    tracker = Tracker()
    first = tracker.update(frame([(CAR, 50, 50)]))
    cut = frame([(CAR, 50, 50)])
    cut = replace(cut, label_map=np.where(cut.label_map == ROAD, PERSON, cut.label_map).astype(np.uint8))
    assert not {*ids_at(first, (52, 52), (1, 1))} & {*ids_at(tracker.update(cut), (52, 52), (1, 1))}


def test_ids_are_given_again_only_after_all_others_and_never_twice_at_a_time():
    tracker = Tracker(max_missing=0)
    (car,) = ids_at(tracker.update(frame([(CAR, 10, 10), (PERSON, 100, 60)])), (12, 12))
    tracker._last_id = MAX_ID - 1  # 65,000 things would take minutes
    result = tracker.update(frame([(CAR, 10, 10), (CAR, 100, 60), (CAR, 100, 20), (CAR, 10, 90)]))
    assert ids_at(result, (12, 12)) == [car]
    new = ids_at(result, (102, 62), (102, 22), (12, 92))
    assert new[0] == MAX_ID
    assert len({*new, car, *ids_at(result, (199, 0))}) == 5


def test_ids_above_255_in_the_result_are_renumbered_like_others():
    results = [Tracker().update(frame([(CAR, 50, 50), (CAR, 100, 20)], first_id=first)) for first in (1, 1000)]
    np.testing.assert_array_equal(results[0].panoptic_map, results[1].panoptic_map)
    assert results[0].segments == results[1].segments


def test_a_semantic_result_stays_as_it_is():
    result = replace(frame([]), panoptic_map=None, segments=())
    assert Tracker().update(result) is result


def exact(drive_frame) -> SegmentationResult:
    """The ground truth of a generated frame as a result, with ids that change with every frame."""
    keys = drive_frame.label_map.astype(np.int64) * 65536 + drive_frame.instance_map
    present = np.unique(keys)
    panoptic_map = (np.searchsorted(present, keys) + 1).astype(np.uint16)
    segments = []
    for number, key in enumerate(present.tolist(), 1):
        rows, columns = np.nonzero(panoptic_map == number)
        label = LABELS[key >> 16]
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        segments.append(Segment(number, label.id, label.name, label.is_thing, 0.9, len(rows), box, (0.0, 0.0)))
    confidence = np.full(panoptic_map.shape, 255, np.uint8)
    return SegmentationResult(drive_frame.label_map, confidence, panoptic_map, tuple(segments))


def test_things_of_a_generated_drive_keep_their_ids():
    """Much better than ids by frame, which change whenever a thing appears; measured: 0.97 and 0.20."""
    rate_hz = 10.0
    tracked, untracked = VideoQuality(LABELS), VideoQuality(LABELS)
    drive = [*StreetDrive(902, 15, frame_rate_hz=rate_hz)]
    repeated = []
    for _ in range(2):
        tracker = Tracker()
        maps = []
        for number, drive_frame in enumerate(drive):
            for quality, result in (
                (tracked, tracker.update(exact(drive_frame), number / rate_hz)),
                (untracked, exact(drive_frame)),
            ):
                classes = {segment.id: segment.class_id for segment in result.segments}
                quality.update(result.panoptic_map, classes, drive_frame.label_map, drive_frame.instance_map)
                if quality is tracked:
                    maps.append(result.panoptic_map)
        repeated.append(maps)
        tracked.begin_video()
        untracked.begin_video()
    np.testing.assert_array_equal(*repeated)
    assert tracked.result().sq == 1.0
    assert tracked.result().aq > 0.85
    assert tracked.result().aq > untracked.result().aq + 0.2
