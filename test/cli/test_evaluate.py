import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.cli.__main__ import main

NUM_CLASSES = 11
IGNORED = 11


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two images with random blocks of labels, in the layout of CamVid."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "camvid" / "val"
    folder.mkdir(parents=True)
    for name in ("first", "second"):
        cv2.imwrite(str(folder / f"{name}.jpg"), rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
        labels = np.kron(rng.integers(0, IGNORED + 1, (4, 6), dtype=np.uint8), np.ones((16, 16), np.uint8))
        cv2.imwrite(str(folder / f"{name}.png"), labels)
    return folder.parent


def evaluate(camvid: Path, model: Path, *options: str) -> int:
    data = ("--dataset", "camvid", "--root", str(camvid))
    return main(["evaluate", *data, "--model", str(model), "--device", "cpu", *options])


def test_semantic(camvid: Path, random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(camvid, random_weights, "--task", "semantic", "--json", str(tmp_path / "figures.json")) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["model"], figures["dataset"], figures["task"], figures["data"]) == (
        "random",
        "camvid",
        "semantic",
        "camvid, val",
    )
    assert figures["architecture"] == {"name": "bisenetformer-nano", "num_classes": NUM_CLASSES}
    assert figures["weights_precision"] == "fp32"
    assert figures["num_images"] == 2
    assert 0 < figures["miou"] < 1
    assert "All" not in figures
    assert f"pixel accuracy {100 * figures['pixel_accuracy']:.1f} %" in capsys.readouterr().out


def test_panoptic_with_a_report(
    camvid: Path, random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thresholds = ("--score-threshold", "0", "--overlap-threshold", "0")
    files = ("--json", str(tmp_path / "figures.json"), "--report", str(tmp_path / "new" / "report"))
    assert evaluate(camvid, random_weights, "--task", "panoptic", *thresholds, *files) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["thresholds"] == "score 0, overlap 0"
    assert set(figures["All"]) == {"pq", "sq", "rq", "n"}
    page = (tmp_path / "new" / "report" / "report.html").read_text(encoding="utf-8")
    for title in ("Quality", "PQ by class, percent", "Segments", "Confusions", "Worst images", "Latency"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<figcaption>errors</figcaption>") == 2
    assert f"<b>{100 * figures['All']['pq']:.1f}</b><span>PQ, percent</span>" in page
    assert "touching objects count as one" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A data set in the COCO panoptic format: two frames of one video, with a car that drives to the right."""
    images, annotations = [], []
    for number in range(2):
        ids = np.full((64, 96), 1, np.uint8)
        ids[20:40, 10 + 8 * number : 40 + 8 * number] = 2
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.stack([0 * ids, 0 * ids, ids], axis=2))
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), np.repeat(100 * ids[..., None], 3, axis=2))
        images.append({"id": number, "file_name": f"{number}.jpg", "video_id": 1})
        segments = [{"id": 1, "category_id": 3}, {"id": 2, "category_id": 8}]
        annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": segments})
    categories = [{"id": 3, "name": "road"}, {"id": 8, "name": "car"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "video.json").write_text(json.dumps(content))
    description = tmp_path / "video.yaml"
    paths = "images: .\npanoptic_images: .\npanoptic_json: video.json\n"
    description.write_text(f"labels: camvid11\nsplits: [val]\n{paths}")
    return description


def test_things_in_videos_are_tracked(
    video: Path, random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--dataset", str(video), "--model", str(random_weights), "--device", "cpu"]
    files = ["--json", str(tmp_path / "figures.json"), "--report", str(tmp_path / "report")]
    assert main([*arguments, "--task", "panoptic", "--score-threshold", "0", "--overlap-threshold", "0", *files]) == 0
    tracking = json.loads((tmp_path / "figures.json").read_text())["tracking"]
    assert set(tracking) == {"stq", "aq", "sq", "vpq"}
    assert tracking["stq"] == pytest.approx((tracking["aq"] * tracking["sq"]) ** 0.5)
    assert list(tracking["vpq"]) == ["1", "5", "10", "15"]
    assert tracking["vpq"]["5"] is None
    assert f"Tracking: STQ {100 * tracking['stq']:.1f}" in " ".join(capsys.readouterr().out.split())
    assert "<h2>Tracking</h2>" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_semantic_weights_need_no_task_and_warn_of_another(
    camvid: Path, semantic_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("--json", str(tmp_path / "figures.json"), "--report", str(tmp_path))
    for options, task, num_warnings in (((), "semantic", 0), (("--task", "panoptic"), "panoptic", 1)):
        assert evaluate(camvid, semantic_weights, *options, *files) == 0
        figures, page = json.loads((tmp_path / "figures.json").read_text()), (tmp_path / "report.html").read_text()
        assert figures["task"] == task
        assert ("All" in figures) == (task == "panoptic")
        warnings = (figures["task_warning"], page, capsys.readouterr().err)
        assert [text.count("trained for the semantic task") for text in warnings] == [num_warnings] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "atlantis"], "unknown data set 'atlantis'"),
        (["--dataset", "camvid"], "needs --root DIR"),
        (["--split", "night"], "night"),
    ],
)
def test_misuse_is_explained(
    camvid: Path, random_weights: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = [] if message.startswith("needs") else ["--root", str(camvid)]
    assert main(["evaluate", "--dataset", "camvid", *root, "--model", str(random_weights), *options]) == 2
    assert message in capsys.readouterr().err


def test_augmented_evaluation_says_so(
    camvid: Path, semantic_weights: Path, random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {}
    for name, options in (("plain", ()), ("augmented", ("--tta", "--precision", "fp32", "--report", str(tmp_path)))):
        assert evaluate(camvid, semantic_weights, *options, "--json", str(tmp_path / f"{name}.json")) == 0
        figures[name] = json.loads((tmp_path / f"{name}.json").read_text())
    assert figures["augmented"]["engine"] == "torch, cpu, fp32"
    assert figures["augmented"]["weights_precision"] == "fp32"
    assert "weights: meadow, fp32" in capsys.readouterr().out
    assert "scales 0.5, 0.75, 1.0, 1.25, 1.5, 1.75" in figures["augmented"]["test-time augmentation"]
    assert "test-time augmentation" not in figures["plain"]
    assert [figures[name]["frame_ms"]["count"] for name in figures] == [2, 0]  # no stages are timed
    assert "test-time augmentation" in (tmp_path / "report.html").read_text(encoding="utf-8")
    for model, options, message in (
        (random_weights, (), "takes the semantic task, got panoptic"),
        (semantic_weights, ("--engine", "onnxruntime"), "--tta runs the engine torch, got --engine onnxruntime"),
    ):
        assert evaluate(camvid, model, "--tta", *options) == 2
        assert message in capsys.readouterr().err
