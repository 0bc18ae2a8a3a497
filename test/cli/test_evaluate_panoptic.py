import json
from pathlib import Path

import numpy as np
import pytest
from coco_files import CAR, PERSON, ROAD, predicted_picture, true_picture, write

from bisenetformer_ros.cli.__main__ import main

IDS = np.array([[1, 1, 1, 2, 2, 0]])


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return write(tmp_path, "gt", [true_picture(IDS, {1: ROAD, 2: CAR})])


def evaluate(truth: Path, prediction: Path, *options: str) -> int:
    return main(["evaluate-panoptic", "--gt-json", str(truth), "--pred-json", str(prediction), *options])


def test_the_file_has_fractions_by_category_id(tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = np.array([[1, 1, 0, 2, 2, 2]])
    prediction = write(tmp_path, "pred", [predicted_picture(found, {1: ROAD, 2: PERSON})])
    assert evaluate(truth, prediction, "--json", str(tmp_path / "pq.json")) == 0
    zero = {"pq": 0.0, "sq": 0.0, "rq": 0.0}
    assert json.loads((tmp_path / "pq.json").read_text()) == {
        "All": {"pq": pytest.approx(2 / 9), "sq": pytest.approx(2 / 9), "rq": pytest.approx(1 / 3), "n": 3},
        "Things": zero | {"n": 2},
        "Stuff": {"pq": pytest.approx(2 / 3), "sq": pytest.approx(2 / 3), "rq": 1.0, "n": 1},
        "per_class": {"7": {"pq": pytest.approx(2 / 3), "sq": pytest.approx(2 / 3), "rq": 1.0}}
        | dict.fromkeys(("90", "3", "1000"), zero),
    }
    printed = capsys.readouterr().out
    assert "22.2" in printed
    assert "1 image; means over the categories that occur, 3 of 4" in printed


def test_folders_can_be_anywhere(tmp_path: Path, truth: Path) -> None:
    prediction = write(tmp_path, "pred", [predicted_picture(IDS, {1: ROAD, 2: CAR})])
    (tmp_path / "gt").rename(tmp_path / "true_png")
    (tmp_path / "pred").rename(tmp_path / "found_png")
    assert evaluate(truth, prediction) == 2
    folders = ("--gt-dir", str(tmp_path / "true_png"), "--pred-dir", str(tmp_path / "found_png"))
    assert evaluate(truth, prediction, *folders) == 0


def test_a_segment_without_pixels_is_named(tmp_path: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prediction = write(tmp_path, "pred", [predicted_picture(IDS, {1: ROAD, 2: CAR, 5: CAR})])
    assert evaluate(truth, prediction, "--json", str(tmp_path / "pq.json")) == 2
    error = capsys.readouterr().err
    assert "image 11 (11.png): the prediction's JSON lists segments that" in error
    assert error.rstrip().endswith("ids 5")
    assert not (tmp_path / "pq.json").exists()


def test_contradictions_in_the_ground_truth_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = true_picture(IDS, {1: ROAD, 2: CAR})
    truth.segments[0]["area"] = 4
    prediction = write(tmp_path, "pred", [predicted_picture(IDS, {1: ROAD, 2: CAR})] * 7)
    assert evaluate(write(tmp_path, "gt", [truth] * 7), prediction) == 0
    error = capsys.readouterr().err
    assert error.count("those of the JSON are used: 1 (4 in the JSON, 3 in the PNG)") == 5
    assert "2 more like these" in error
