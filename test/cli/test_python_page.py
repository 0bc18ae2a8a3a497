"""Runs the snippets of docs/python.md one after the other, as a reader would, and checks what its comments say."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from documents import blocks, commands

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.data.catalog import open_dataset
from bisenetformer_ros.evaluation.dataset import evaluate
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.streets import StreetDrive

PAGE = "docs/python.md"
SIZE = (360, 480)
OWN = """
labels: camvid11
images: own/{split}/{name}.jpg
label_images: own/{split}/{name}_labels.png
splits: [train, val]
"""


def write_files() -> None:
    """Write the files that the page reads, in the working directory."""
    frames = list(StreetDrive(7, 4, size=SIZE))
    cv2.imwrite("street.jpg", frames[0].rgb[..., ::-1])
    video = cv2.VideoWriter("drive.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 10, SIZE[::-1])
    for frame in frames[:2]:
        video.write(frame.rgb[..., ::-1])
    video.release()
    Path("own.yaml").write_text(OWN, encoding="utf-8")
    for name, frame in zip(("train/a", "train/b", "train/c", "val/d"), frames, strict=True):
        Path("own", name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"own/{name}.jpg", frame.rgb[..., ::-1])
        cv2.imwrite(f"own/{name}_labels.png", frame.label_map)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def sections(folder: Path) -> list[dict[str, Any]]:
    """The variables after each snippet."""
    pytest.importorskip("onnxruntime", reason="no onnxruntime")
    pytest.importorskip("onnxscript", reason="no onnxscript")
    variables: dict[str, Any] = {}
    snapshots = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_files()
        for command in commands(PAGE):
            assert main(list(command.words[1:])) == 0, command
        for number, snippet in enumerate(blocks(PAGE, "python"), start=1):
            exec(compile(snippet, f"{PAGE}, snippet {number}", "exec"), variables)
            snapshots.append(dict(variables))
    return snapshots


def after(sections: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The variables after the first snippet that defines `name`."""
    return next(variables for variables in sections if name in variables)


def test_images_and_results(sections: list[dict[str, Any]]) -> None:
    variables = after(sections, "share_of_road")
    result, segment = variables["result"], variables["segment"]
    for field, dtype in (("label_map", np.uint8), ("confidence", np.uint8), ("panoptic_map", np.uint16)):
        assert (getattr(result, field).shape, getattr(result, field).dtype) == (SIZE, dtype)
    assert {s.id for s in result.segments} == set(np.unique(result.panoptic_map)) - {0}
    assert variables["pixels"].shape == (segment.area, 3)
    box = np.argwhere(result.panoptic_map == segment.id)[:, ::-1]
    assert tuple(variables[name] for name in ("x_min", "y_min", "x_max", "y_max")) == (*box.min(0), *box.max(0) + 1)
    assert 0.1 < variables["share_of_road"] < 0.9
    assert set(vars(result.times_ms)) == {"preprocess", "inference", "postprocess"}


def test_pictures_and_files(sections: list[dict[str, Any]], folder: Path) -> None:
    picture = cv2.imread(str(folder / "overlay.png"))
    assert picture.shape[0] > SIZE[0]
    assert picture.shape[1] == SIZE[1]
    assert sorted(path.name for path in (folder / "labels").iterdir()) == ["drive_000000.png", "drive_000001.png"]
    labels = cv2.imread(str(folder / "labels" / "drive_000000.png"), cv2.IMREAD_UNCHANGED)
    assert (labels.shape, labels.dtype) == (SIZE, np.uint8)


def test_networks(sections: list[dict[str, Any]]) -> None:
    variables = after(sections, "untrained")
    assert variables["class_logits"].shape == (1, 50, 12)
    assert variables["mask_logits"].shape == (1, 50, 352 // 8, 480 // 8)
    assert not variables["network"].training
    semantic = Segmenter("bisenetformer-nano-camvid", "torch", "semantic", "cpu", "fp32")(variables["rgb"][:352, :480])
    cells = semantic.label_map[4::8, 4::8]
    assert (variables["small_label_map"][0].numpy() == cells).mean() > 0.95  # its input size is another
    with torch.inference_mode():
        class_logits, _ = variables["untrained"](torch.zeros(2, 3, 32, 32))
    assert variables["untrained"].training
    assert class_logits.shape == (2, 50, 20)


def test_metrics(sections: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop yields what `evaluate` yields, on val."""
    monkeypatch.chdir(folder)
    variables = after(sections, "quality")
    assert variables["worst"].name == "d"
    evaluation, mean_iou, quality = (variables[name] for name in ("evaluation", "mean_iou", "quality"))
    near = {"abs": 2e-3}  # on a busy machine the segmenter may still measure bf16 and fp32 on the first frames
    assert 0.3 < mean_iou.result().miou == pytest.approx(evaluation.mean_iou.miou, **near)
    assert 0.2 < quality.result().all.pq == pytest.approx(evaluation.panoptic_quality.all.pq, **near)
    train = evaluate(variables["segmenter"], open_dataset("own.yaml", splits=["train"]))
    assert len(train.images) == 3
    assert train.mean_iou.miou != evaluation.mean_iou.miou


def test_graphs(sections: list[dict[str, Any]], folder: Path) -> None:
    """The page's own code around ONNX Runtime finds what the package's finds with the same graph."""
    variables = sections[-1]
    rgb, names = variables["rgb"], variables["names"]
    assert names == [label.name for label in variables["segmenter"].labels]
    semantic = Segmenter(folder / "semantic.onnx", engine="onnxruntime", device="cpu")(rgb)
    np.testing.assert_array_equal(variables["label_map"][0], semantic.label_map)
    panoptic = Segmenter(folder / "panoptic.onnx", engine="onnxruntime", device="cpu")(rgb)
    expected = {name: np.zeros(SIZE, int) for name in names}
    for segment in panoptic.segments:
        expected[segment.class_name] += panoptic.panoptic_map == segment.id
    found = {name: np.zeros(SIZE, int) for name in names}
    for name, mask in variables["regions"]:
        found[name] += mask
    assert len(variables["regions"]) > 3
    for name in names:
        np.testing.assert_array_equal(found[name], expected[name], name)
    assert variables["table"].shape == (1, 50, 11)
    assert json.loads(variables["metadata"]["labels"])["name"] == "camvid11"
