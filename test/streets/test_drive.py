"""Drives as data: reproducible, complete, and consistent from frame to frame."""

import numpy as np
import pytest

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.streets import StreetDrive

LABELS = LabelMap.load("camvid11")
SIZE = (120, 160)
SEEDS = (1, 2, 6, 10, 12)


@pytest.fixture(scope="module")
def drives():
    return [StreetDrive(seed, num_frames=40, size=SIZE) for seed in SEEDS]


def assert_same(first, second):
    np.testing.assert_array_equal(first.rgb, second.rgb)
    np.testing.assert_array_equal(first.label_map, second.label_map)
    np.testing.assert_array_equal(first.instance_map, second.instance_map)


def test_any_order_of_access_gives_the_same_pixels():
    forwards, backwards = StreetDrive(3, 30, SIZE), StreetDrive(3, 50, SIZE)
    there = {index: forwards[index] for index in (0, 7, 29)}
    back = {index: backwards[index] for index in (29, 0, 7)}
    for index, frame in there.items():
        assert_same(frame, back[index])
        assert_same(frame, forwards[index])


def test_seeds_differ():
    assert np.abs(StreetDrive(3, size=SIZE)[5].rgb.astype(int) - StreetDrive(4, size=SIZE)[5].rgb).mean() > 5


def test_frame_rate_scales_time():
    np.testing.assert_array_equal(
        StreetDrive(3, size=SIZE, frame_rate_hz=5)[4].label_map,
        StreetDrive(3, size=SIZE, frame_rate_hz=10)[8].label_map,
    )


def test_a_crowd_adds_people_and_thin_things():
    pole, sign, pedestrian, bicyclist = 2, 6, 9, 10
    counts = {}
    for crowd in (1.0, 2.5):
        frames = [StreetDrive(seed, 40, SIZE, crowd=crowd)[20] for seed in SEEDS]
        pixels = sum(np.bincount(frame.label_map.ravel(), minlength=256) for frame in frames)
        people = sum(np.unique(f.instance_map[f.label_map >= pedestrian]).size for f in frames)
        counts[crowd] = np.array([people, *pixels[[pole, sign, pedestrian, bicyclist]]])
    assert (counts[2.5] > counts[1.0]).all(), counts
    assert counts[2.5][0] > 1.4 * counts[1.0][0]


def test_a_drive_is_a_sequence():
    drive = StreetDrive(5, num_frames=3, size=SIZE)
    frames = list(drive)
    assert len(drive) == len(frames) == 3
    assert_same(frames[2], drive[-1])
    for index in (3, -4):
        with pytest.raises(IndexError, match="3 frames"):
            drive[index]


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (90, 1), (37, 53), (200, 40), (40, 301), (97, 131)])
def test_any_size(size):
    frame = StreetDrive(8, num_frames=20, size=size)[13]
    assert frame.rgb.shape == (*size, 3)
    assert frame.rgb.dtype == np.uint8
    assert frame.label_map.shape == frame.instance_map.shape == size
    assert frame.label_map.dtype == np.uint8
    assert frame.instance_map.dtype == np.uint16


def test_every_class_occurs_and_every_pixel_has_one(drives):
    seen = np.zeros(256, int)
    for drive in drives:
        for index in (4, 30):
            seen += np.bincount(drive[index].label_map.ravel(), minlength=256)
    assert (seen[: len(LABELS)] > 20).all(), dict(zip((label.name for label in LABELS.labels), seen, strict=False))
    assert seen[len(LABELS) :].sum() == 0


def test_instances_are_the_things(drives):
    for drive in drives:
        frame = drive[9]
        np.testing.assert_array_equal(frame.instance_map > 0, np.isin(frame.label_map, LABELS.thing_ids))


def test_an_id_keeps_its_class_all_along_the_drive(drives):
    for drive in drives:
        class_of = {}
        for index in range(0, len(drive), 5):
            frame = drive[index]
            things = frame.instance_map > 0
            pairs = np.unique(np.stack([frame.instance_map[things], frame.label_map[things]]), axis=1)
            for thing, class_id in pairs.T:
                assert class_of.setdefault(thing, class_id) == class_id
        assert len(class_of) >= 3


def test_large_things_are_found_again_close_by_in_the_next_frame(drives):
    followed = 0
    for drive in drives:
        before, after = drive[20].instance_map, drive[21].instance_map
        ids, areas = np.unique(before[before > 0], return_counts=True)
        for thing in ids[areas > 60]:
            touches_border = (before[:, [0, -1]] == thing).any()
            if not touches_border:
                assert ((before == thing) & (after == thing)).any()
                followed += 1
    assert followed >= 5


def test_frames_move_and_overlap(drives):
    for drive in drives:
        first, second = drive[10], drive[11]
        assert (first.rgb != second.rgb).mean() > 0.1
        assert (first.label_map != second.label_map).any()
        assert (first.label_map == second.label_map).mean() > 0.8


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1},
        {"seed": 0, "num_frames": 0},
        {"seed": 0, "size": (0, 5)},
        {"seed": 0, "frame_rate_hz": 0},
        {"seed": 0, "crowd": 0},
    ],
)
def test_invalid_arguments_are_named(arguments):
    name, value = list(arguments.items())[-1]
    with pytest.raises(InputError) as error:
        StreetDrive(**arguments)
    assert f"{name}={value}" in str(error.value)
