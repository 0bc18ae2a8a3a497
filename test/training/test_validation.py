import math
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch

from bisenetformer_ros.data.sample import Sample
from bisenetformer_ros.evaluation.dataset import evaluate
from bisenetformer_ros.images.draw import colorize
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.training.distributed import World
from bisenetformer_ros.training.validation import Validation, draw_comparison

ALONE = World(0, 1, torch.device("cpu"))
LABELS = LabelMap.load("camvid11")
NAMES = [label.name for label in LABELS]


class Half:
    """Images of which the left part is sky, the right one road."""

    labels = LABELS
    has_instances = True
    SKY, ROAD = 0, 3

    def __init__(self, sky_columns: int) -> None:
        self.sky_columns = sky_columns

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Sample:
        label_map = np.full((64, 64), self.ROAD, np.uint8)
        label_map[:, : self.sky_columns] = self.SKY
        rgb = np.full((64, 64, 3), 40 * index, np.uint8)
        return Sample(f"half{index}", rgb, label_map, np.zeros((64, 64), np.int32))


def model_of(short_run: ModuleType, class_id: int) -> BiSeNetFormer:
    """A network that sees one class everywhere."""
    model = short_run.learner().model.eval()
    with torch.no_grad():
        model.decoder.head.classes.weight.zero_()
        model.decoder.head.classes.bias.zero_()
        model.decoder.head.classes.bias[class_id] = 20.0
    return model


@pytest.fixture
def validation(short_run: ModuleType, tmp_path: Path) -> Validation:
    """Three quarters of every image are sky."""
    config = short_run.config(task="semantic", validate_every=10)
    return Validation(config, Half(48), tmp_path, ALONE)


def test_it_measures_the_file_that_it_writes(short_run: ModuleType, validation: Validation, tmp_path: Path) -> None:
    record = validation.measure(model_of(short_run, Half.SKY), 10)
    assert record.figures["pixel_accuracy"] == pytest.approx(0.75)
    assert record.figures["miou"] == pytest.approx((0.75 + 0) / 2)
    assert list(record.per_class) == ["iou"]
    assert record.per_class["iou"] == pytest.approx(
        {**dict.fromkeys(NAMES, math.nan), "sky": 0.75, "road": 0.0}, nan_ok=True
    )
    again = evaluate(Segmenter(tmp_path / "latest.safetensors", "torch", "semantic", "cpu", "fp32"), Half(48))
    assert again.mean_iou.miou == record.figures["miou"]
    assert [name for name, _ in record.pictures] == ["half0", "half1", "half3", "half5"]
    assert all(rgb.shape[0] > 64 and rgb.shape[1] > 3 * 64 for _, rgb in record.pictures)


def test_the_best_is_kept(short_run: ModuleType, validation: Validation, tmp_path: Path) -> None:
    for iteration, class_id in ((10, Half.ROAD), (20, Half.SKY), (30, Half.ROAD)):
        validation.measure(model_of(short_run, class_id), iteration)
    assert validation.best == pytest.approx(0.375)
    for name, iteration in (("best", 20), ("latest", 30)):
        _, metadata = load_checkpoint(tmp_path / f"{name}.safetensors")
        assert metadata.provenance["iterations"] == iteration
        assert ("validation" in metadata.provenance) == (name == "best")
    assert load_checkpoint(tmp_path / "best.safetensors")[1].provenance["validation"]["miou"] == pytest.approx(0.375)


def test_the_best_outlives_an_interruption(short_run: ModuleType, validation: Validation, tmp_path: Path) -> None:
    validation.measure(model_of(short_run, Half.SKY), 10)
    state = validation.state_dict()
    continued = Validation(validation.config, Half(48), tmp_path, ALONE)
    continued.load_state_dict(state)
    continued.measure(model_of(short_run, Half.ROAD), 20)
    assert load_checkpoint(tmp_path / "best.safetensors")[1].provenance["iterations"] == 10


def test_the_panoptic_task_reports_its_quality(short_run: ModuleType, tmp_path: Path) -> None:
    validation = Validation(short_run.config(task="panoptic"), Half(48), tmp_path, ALONE)
    record = validation.measure(short_run.learner().model.eval(), 10)
    assert list(record.figures) == ["miou", "pixel_accuracy", "pq", "sq", "rq", "pq_things", "pq_stuff"]
    assert validation.best == record.figures["pq"] == 0
    assert {name: of["sky"] for name, of in record.per_class.items()} == {"iou": 0.0, "pq": 0.0}
    assert math.isnan(record.per_class["pq"]["bicyclist"])


@pytest.mark.parametrize(
    ("iteration", "last", "at_the_end", "due"),
    [(10, 0, False, True), (11, 10, False, False), (10, 10, False, False), (13, 10, True, True), (13, 13, True, False)],
)
def test_it_is_due_every_so_often_and_at_the_end(
    validation: Validation, iteration: int, last: int, at_the_end: bool, due: bool
) -> None:
    validation.last_iteration = last
    assert validation.is_due(iteration, at_the_end) == due


def test_images_are_counted(short_run: ModuleType, validation: Validation) -> None:
    counts = []
    validation.on_image = lambda done, total: counts.append((done, total))
    validation.measure(model_of(short_run, Half.SKY), 10)
    assert counts == [(done, 6) for done in range(1, 7)]


def panels(picture: np.ndarray, rgb: np.ndarray) -> list[np.ndarray]:
    """The three pictures without headings and legend; the first one is `rgb`."""
    height, width = rgb.shape[:2]
    tops = range(len(picture) - height)
    (top,) = (top for top in tops if np.array_equal(picture[top : top + height, :width], rgb))
    step = (picture.shape[1] - width) // 2
    return [picture[top : top + height, start : start + width] for start in (0, step, 2 * step)]


def test_image_truth_and_prediction_stand_draw_comparison(short_run: ModuleType) -> None:
    """The prediction is all sky; the overlay is half image, half class colour."""
    sample = short_run.Squares()[1]
    sky = np.zeros((80, 96), np.uint8)
    image, truth, prediction = panels(draw_comparison(sample, SegmentationResult(sky, sky), LABELS), sample.rgb)
    assert np.array_equal(image, sample.rgb)
    for panel, label_map in ((truth, sample.label_map), (prediction, sky)):
        expected = (sample.rgb.astype(float) + colorize(label_map, LABELS)) / 2
        assert np.abs(panel - expected).max() <= 1


def test_the_truth_of_a_panoptic_prediction_outlines_its_things(short_run: ModuleType) -> None:
    sample = short_run.Squares()[1]
    sky = np.zeros((80, 96), np.uint8)
    nothing = SegmentationResult(np.full((80, 96), 255, np.uint8), sky, sky.astype(np.uint16))
    image, truth, prediction = panels(draw_comparison(sample, nothing, LABELS), sample.rgb)
    assert np.array_equal(prediction, image)
    semantic = panels(draw_comparison(sample, SegmentationResult(sky, sky), LABELS), sample.rgb)[1]
    car = sample.instance_map == 1
    inside = cv2.erode(car.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert np.array_equal(truth[~car], semantic[~car])
    rim = car & ~inside
    assert np.abs(truth[rim].astype(int) - truth[inside].astype(int).mean(axis=0)).max() > 30
