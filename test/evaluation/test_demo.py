"""Scores of a replay, from events and files as the player and the listener make them."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bisenetformer_ros.errors import DataError
from bisenetformer_ros.evaluation.demo import score
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.replay.footage import find_footage
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
