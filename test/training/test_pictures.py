from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from bisenetformer_ros.images.draw import colorize
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.training.pictures import PictureFolder, side_by_side

LABELS = LabelMap.load("camvid11")


def panels(picture: np.ndarray, width: int) -> list[np.ndarray]:
    step = (picture.shape[1] - width) // 2
    return [picture[:, start : start + width] for start in (0, step, 2 * step)]


def test_image_truth_and_prediction_stand_side_by_side(short_run: ModuleType) -> None:
    """A prediction of sky alone; half of what is seen is the image, half the colour of the class."""
    sample = short_run.Squares()[1]
    sky = np.zeros((80, 96), np.uint8)
    image, truth, prediction = panels(side_by_side(sample, SegmentationResult(sky, sky), LABELS), 96)
    assert np.array_equal(image, sample.rgb)
    for panel, label_map in ((truth, sample.label_map), (prediction, sky)):
        expected = (sample.rgb.astype(float) + colorize(label_map, LABELS)) / 2
        assert np.abs(panel - expected).max() <= 1


def test_the_truth_of_a_panoptic_prediction_outlines_its_things(short_run: ModuleType) -> None:
    sample = short_run.Squares()[1]
    sky = np.zeros((80, 96), np.uint8)
    nothing = SegmentationResult(np.full((80, 96), 255, np.uint8), sky, sky.astype(np.uint16))
    image, truth, prediction = panels(side_by_side(sample, nothing, LABELS), 96)
    assert np.array_equal(prediction, image)
    semantic = panels(side_by_side(sample, SegmentationResult(sky, sky), LABELS), 96)[1]
    car = sample.instance_map == 1
    inside = cv2.erode(car.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert np.array_equal(truth[~car], semantic[~car])
    rim = car & ~inside
    assert np.abs(truth[rim].astype(int) - truth[inside].astype(int).mean(axis=0)).max() > 30


@pytest.mark.parametrize("iteration", [4000, 123456])
def test_pictures_of_an_iteration_lie_in_a_folder_of_their_own(tmp_path: Path, iteration: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    folder = PictureFolder(tmp_path / "pictures")
    folder.on_iteration(iteration, {"loss": 1.0})
    assert not (tmp_path / "pictures").exists()
    folder.on_validation(iteration, {}, [("scene 1", rgb)])
    written = cv2.imread(str(tmp_path / "pictures" / f"iteration_{iteration:06d}" / "scene 1.png"))
    assert np.array_equal(cv2.cvtColor(written, cv2.COLOR_BGR2RGB), rgb)
