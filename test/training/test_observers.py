import io
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from rich.console import Console

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.observers import (
    LogFile,
    PictureFolder,
    ProgressDisplay,
    TensorBoard,
    ValidationRecord,
    WeightsAndBiases,
)

PER_CLASS = {
    "iou": {"sky": 0.9, "pole or sign": 0.25, "[person]": 0.0, "bicycle": math.nan},
    "pq": {"sky": 0.875, "pole or sign": 0.0, "[person]": 0.0, "bicycle": math.nan},
}


def test_every_line_is_flushed_and_is_json(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with LogFile(path) as log:
        log.on_iteration(1, {"loss": 2.5, "step_s": 0.125})
        assert json.loads(path.read_text(encoding="utf-8")) == {"iteration": 1, "loss": 2.5, "step_s": 0.125}
        log.on_validation(1, ValidationRecord({"miou": 0.5, "pq_things": math.nan}, PER_CLASS))
    with LogFile(path) as log:
        log.on_iteration(2, {"loss": 2.00000001, "gradient_norm": math.inf})
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[1:] == [
        {
            "iteration": 1,
            "validation": {
                "miou": 0.5,
                "pq_things": None,
                "per_class": {
                    "iou": {"sky": 0.9, "pole or sign": 0.25, "[person]": 0.0, "bicycle": None},
                    "pq": {"sky": 0.875, "pole or sign": 0.0, "[person]": 0.0, "bicycle": None},
                },
            },
        },
        {"iteration": 2, "loss": 2.0, "gradient_norm": None},
    ]


def shown(text: io.StringIO) -> str:
    return " ".join(text.getvalue().split())


def test_a_run_fits_in_80_columns() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80, color_system=None)
    with ProgressDisplay(console, iteration=80099, iterations=90000) as bar:
        bar.on_iteration(80100, {"loss": 12.345, "data_s": 0.012, "step_s": 1.5})
        bar.on_validation_image(1, 8)
        bar.on_validation_image(8, 8)
        figures = {"miou": 0.5, "pixel_accuracy": 0.9, "pq": 0.25, "pq_things": math.nan}
        bar.on_validation(80100, ValidationRecord(figures, PER_CLASS))
    assert "80100/90000 --:-- loss 12.35, data 0.01 s, step 1.50 s" in shown(text)
    assert "after iteration 80100: mIoU 50.0, PQ 25.0, PQ things -" in shown(text)


def test_validations_are_printed_outside_a_terminal() -> None:
    text = io.StringIO()
    with ProgressDisplay(Console(file=text, width=100), iteration=0, iterations=10) as bar:
        bar.on_iteration(1, {"loss": 1.0, "data_s": 0.0, "step_s": 1.0})
        bar.on_validation(5, ValidationRecord({"miou": 0.125}, {"iou": PER_CLASS["iou"]}))
    assert "after iteration 5: mIoU 12.5" in text.getvalue()
    assert "IoU of each class: sky 90.0 pole or sign 25.0 [person] 0.0 bicycle - IoU 0: [person] " in shown(text)


def test_every_class_is_shown_and_those_at_zero_are_named() -> None:
    text = io.StringIO()
    with ProgressDisplay(Console(file=text, width=60, soft_wrap=True), iteration=0, iterations=10) as bar:
        bar.on_validation(5, ValidationRecord({"miou": 0.125, "pq": 0.3}, PER_CLASS))
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    first = lines.index("IoU / PQ of each class:")
    assert lines[first + 1 : first + 4] == [
        "sky 90.0 / 87.5 pole or sign 25.0 / 0.0",
        "[person] 0.0 / 0.0 bicycle - / -",
        "PQ 0: pole or sign, [person]",
    ]


@pytest.mark.parametrize("iteration", [4000, 123456])
def test_pictures_of_each_iteration_have_their_own_folder(tmp_path: Path, iteration: int) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    folder = PictureFolder(tmp_path / "pictures")
    folder.on_iteration(iteration, {"loss": 1.0})
    assert not (tmp_path / "pictures").exists()
    names = ("scene 1", "night/scene 2")
    folder.on_validation(iteration, ValidationRecord({}, {}, [(name, rgb) for name in names]))
    for name in names:
        written = cv2.imread(str(tmp_path / "pictures" / f"iteration_{iteration:06d}" / f"{name}.png"))
        assert np.array_equal(cv2.cvtColor(written, cv2.COLOR_BGR2RGB), rgb)


def test_curves_and_pictures_are_read_back(tmp_path: Path) -> None:
    """A run that resumes at iteration 2 discards later events."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    rgb = np.full((4, 6, 3), (200, 100, 50), np.uint8)
    with TensorBoard(tmp_path, 0) as board:
        for iteration in (1, 2, 3):
            board.on_iteration(
                iteration, {"loss": 8.0 / iteration, "dice": 1.0, "learning_rate": 0.5, "data_s": 0.25, "step_s": 2.0}
            )
        per_class = {"iou": {"sky": 0.75, "road": 0.25}, "pq": {"sky": 0.5, "road": 0.0}}
        board.on_validation(2, ValidationRecord({"miou": 0.5, "pq": 0.25}, per_class, [("scene", rgb)]))
    with TensorBoard(tmp_path, 2) as board:
        board.on_iteration(3, {"loss": 7.0})
    events = accumulator.EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        *("loss/loss", "loss/dice", "optimizer/learning_rate", "time/data_s", "time/step_s"),
        *("validation/miou", "validation/pq"),
        *("validation_iou/sky", "validation_iou/road", "validation_pq/sky", "validation_pq/road"),
    }
    assert [(event.step, event.value) for event in events.Scalars("loss/loss")] == [(1, 8.0), (2, 4.0), (3, 7.0)]
    assert [(event.step, event.value) for event in events.Scalars("validation/miou")] == [(2, 0.5)]
    assert [(event.step, event.value) for event in events.Scalars("validation_iou/sky")] == [(2, 0.75)]
    (image,) = events.Images("scene")
    assert (image.step, image.height, image.width) == (2, 4, 6)


def test_weights_and_biases_gets_curves_and_pictures(
    short_run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline. A run that resumes has the same id."""
    wandb = pytest.importorskip("wandb", reason="no wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_SERVICE", "")  # which wandb sets; so it is as before after the test
    monkeypatch.delenv("WANDB_SERVICE")
    rgb = np.full((4, 6, 3), (200, 100, 50), np.uint8)
    with WeightsAndBiases(tmp_path, short_run.config()) as board:
        for iteration in (1, 2):
            board.on_iteration(iteration, {"loss": 8.0 / iteration, "learning_rate": 0.5, "step_s": 2.0})
        board.on_validation(2, ValidationRecord({"miou": 0.5}, {"iou": {"sky": 0.75}}, [("scene", rgb)]))
        board.on_iteration(3, {"loss": 1.0})  # wandb takes a step when the next one begins
        first = wandb.run.id
        summary = dict(wandb.run.summary)
        assert wandb.run.config["crop_size"] == [64, 64]
    curves = {"loss/loss": 4.0, "optimizer/learning_rate": 0.5, "time/step_s": 2.0}
    assert {name: summary[name] for name in curves} == curves
    assert (summary["validation/miou"], summary["validation_iou/sky"]) == (0.5, 0.75)
    (picture,) = tmp_path.glob("wandb/offline-run-*/files/media/images/pictures/scene_2_*.png")
    assert np.array_equal(cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB), rgb)
    with WeightsAndBiases(tmp_path, short_run.config()):
        assert wandb.run.id == first


def test_a_missing_wandb_is_explained(short_run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"--wandb requires a package: .*pip install.*wandb"):
        WeightsAndBiases(tmp_path, short_run.config())
