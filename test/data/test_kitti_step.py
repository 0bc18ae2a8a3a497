from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bisenetformer_ros.data.kitti_step import open_kitti_step
from bisenetformer_ros.errors import DataError

ROAD, PERSON, CAR, TRUCK = 0, 11, 13, 14


def as_png(classes: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    return np.stack([classes, tracks // 256, tracks % 256], axis=2).astype(np.uint8)


def frame() -> tuple[np.ndarray, np.ndarray]:
    """Classes and tracks: a car and a person with the same number, a crowd of cars, a truck, an ignored row."""
    classes, tracks = np.full((48, 64), ROAD), np.zeros((48, 64), int)
    classes[10:20, 10:20], tracks[10:20, 10:20] = CAR, 300
    classes[10:20, 30:40], tracks[10:20, 30:40] = PERSON, 300
    classes[30:40, 10:20] = CAR
    classes[30:40, 30:40] = TRUCK
    classes[-1] = 255
    return classes, tracks


@pytest.fixture
def root(tmp_path: Path, write_images: Callable) -> Path:
    """Two videos in val, one in train."""
    for name in ("val/0010/000000", "val/0002/000001", "val/0002/000000", "train/0000/000000"):
        files = {f"images/{name}.png": np.zeros((48, 64, 3), np.uint8), f"panoptic_maps/{name}.png": as_png(*frame())}
        write_images(tmp_path, files)
    return tmp_path


def test_frames_are_in_order_and_know_their_video(root: Path) -> None:
    dataset = open_kitti_step(root, ["train", "val"])
    assert dataset.problems == ()
    assert [(sample.name, sample.video) for sample in dataset] == [
        ("0000/000000", "0000"),
        ("0002/000000", "0002"),
        ("0002/000001", "0002"),
        ("0010/000000", "0010"),
    ]


def test_people_and_cars_alone_are_things(root: Path) -> None:
    labels = open_kitti_step(root, ["val"]).labels
    assert len(labels) == 19
    assert [labels[class_id].name for class_id in labels.thing_ids] == ["person", "car"]


def test_tracks_are_instances_and_what_has_none_is_a_crowd(root: Path) -> None:
    sample = open_kitti_step(root, ["val"])[0]
    np.testing.assert_array_equal(sample.label_map, frame()[0])
    car, person = sample.instance_map[10, 10], sample.instance_map[10, 30]
    assert car > 0
    assert person > 0
    assert car != person
    assert sample.instance_map[30, 10] < 0
    assert sample.instance_map[30, 30] == sample.instance_map[0, 0] == 0
    assert sample.label_map.dtype == np.uint8
    assert sample.instance_map.dtype == np.int32


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (
            np.full((48, 64, 3), 19, np.uint8),
            r"000000\.png \(64x48\) has the values 19 \(3072 pixels\); expected 0, 1, 2",
        ),
        (np.zeros((48, 64), np.uint8), r"000000\.png has uint8 pixels of shape \(48, 64\), expected an RGB PNG"),
    ],
)
def test_other_images_are_refused(root: Path, write_images: Callable, pixels: np.ndarray, problem: str) -> None:
    write_images(root, {"panoptic_maps/val/0002/000000.png": pixels})
    with pytest.raises(DataError, match=problem):
        open_kitti_step(root, ["val"])[0]


@pytest.mark.parametrize(("split", "problem"), [("test", "not public: use val"), ("all", "the splits train, val")])
def test_other_splits_are_rejected(root: Path, split: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        open_kitti_step(root, [split])


def test_frames_without_labels_are_reported(root: Path) -> None:
    (root / "panoptic_maps/val/0002/000001.png").unlink()
    (problem,) = open_kitti_step(root, ["val"]).problems
    assert "panoptic_maps/val/{name}.png is missing for 1 of 3 names: 0002/000001" in problem
