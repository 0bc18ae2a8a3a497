"""Scores of a replay, from events and files as the player and the listener make them."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.evaluation.demo import score
from bisenetformer_ros.labels import Label, LabelMap
from bisenetformer_ros.replay.footage import Footage, LabelFolder, find_footage
from bisenetformer_ros.replay.recording import Recording

ORIENTATION = 0x0112


@pytest.fixture
def played(tmp_path: Path) -> tuple[Recording, Path]:
    """A replay of photographs/a.jpg, 6x4, with labels beside it; the node has found class 0 everywhere."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.jpg"), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(folder / "a.png"), np.repeat(np.uint8([[0], [0], [0], [1]]), 6, axis=1))
    recording = Recording(tmp_path)
    recording.add({"event": "opened", "height": 4, "width": 6, "frames": 1, "frame_id": "camera"})
    recording.add({"event": "label_map", "labels": LabelMap.load("camvid11").to_dict()["labels"]})
    recording.add({"event": "sent", "stamp": 7, "name": "a"})
    recording.add({"event": "mask", "stamp": 7, "age_ms": 1.0, "frame_id": "camera"})
    cv2.imwrite(str(tmp_path / "7.mask.png"), np.zeros((4, 6), np.uint8))
    return recording, folder


def test_frames_are_compared_with_the_labels_of_their_names(played: tuple[Recording, Path]) -> None:
    recording, folder = played
    scores, reason = score(recording, find_footage(str(folder), None), lambda: None)
    assert reason == ""
    assert scores.frame_miou == {7: pytest.approx((0.75 + 0) / 2)}


def test_an_image_that_exif_turns_is_named(played: tuple[Recording, Path], tmp_path: Path) -> None:
    recording, folder = played
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    with PIL.Image.open(folder / "a.jpg") as image:
        image.save(folder / "a.jpg", exif=exif.tobytes())
    cv2.imwrite(str(tmp_path / "7.mask.png"), np.zeros((6, 4), np.uint8))  # the camera has published it upright
    with pytest.raises(DataError, match=r"label image of a is 6x4, the image is 4x6; .* its EXIF orientation 6: turn"):
        score(recording, find_footage(str(folder), None), lambda: None)
    (folder / "a.jpg").rename(folder / "b.jpg")
    with pytest.raises(DataError, match=r"the image is 4x6; expected the same size$"):
        score(recording, find_footage(str(folder), folder), lambda: None)


def test_the_ids_of_tracks_are_compared_drive_by_drive(tmp_path: Path) -> None:
    """A car keeps its id in the first drive. In the second, another car with the same true id changes it once.

    STQ's AQ of a car is the sum of TPA / |g| · TPA / (|g| + |p| - TPA) over its tracks p: 1 in the first drive,
    2 · 1/2 · 1/2 in the second.
    """
    labels, instances = tmp_path / "labels", tmp_path / "instances"
    labels.mkdir()
    instances.mkdir()
    recording = Recording(tmp_path)
    label_map = LabelMap.load("camvid11")
    road, car = (next(label for label in label_map if label.name == name) for name in ("road", "car"))
    recording.add({"event": "label_map", "labels": label_map.to_dict()["labels"]})
    is_car = np.repeat([[False, True, True]], 4, axis=0)
    classes = np.where(is_car, car.id, road.id).astype(np.uint8)
    frames = {"00000_drive3": 1, "00001_drive3": 1, "00002_drive8": 1, "00003_drive8": 2}
    for stamp, (name, track) in enumerate(frames.items()):
        cv2.imwrite(str(labels / f"{name}.png"), classes)
        cv2.imwrite(str(instances / f"{name}.png"), np.where(is_car, 7, 0).astype(np.uint16))
        recording.add({"event": "sent", "stamp": stamp, "name": name})
        segments = [segment(track, car, (1, 0, 3, 4)), segment(9, road, (0, 0, 1, 4))]
        for event, fields in {"mask": {}, "panoptic": {}, "segments": {"segments": segments}}.items():
            recording.add({"event": event, "stamp": stamp, "age_ms": 1.0, "frame_id": "camera", **fields})
        cv2.imwrite(str(tmp_path / f"{stamp}.mask.png"), classes)
        cv2.imwrite(str(tmp_path / f"{stamp}.panoptic.png"), np.where(is_car, track, 9).astype(np.uint16))
    drives = Footage(str(tmp_path), LabelFolder(labels, instances, tuple(label.name for label in label_map)), "drives")

    tracking = score(recording, drives, lambda: None)[0].tracking
    assert (tracking.aq, tracking.sq) == (pytest.approx(0.75), 1)
    assert tracking.stq == pytest.approx(0.75**0.5)
    without_ids = Footage(str(tmp_path), LabelFolder(labels), "no instances")
    assert score(recording, without_ids, lambda: None)[0].tracking is None


def segment(id_: int, label: Label, box: tuple[int, int, int, int]) -> dict:
    """A segment as the listener reports it."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    what = {"id": id_, "class_id": label.id, "class_name": label.name, "is_thing": label.is_thing}
    return what | {"score": 0.9, "area": area, "box_xyxy": box, "centroid_xy": (1.5, 1.5)}
