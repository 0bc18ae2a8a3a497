import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from bisenetformer_ros.cli.__main__ import main


def write_camvid(root: Path, *names: str) -> None:
    """Write images of noise, labelled as road with a car."""
    for name in names:
        seed = sum(name.encode())
        labels = np.full((48, 64), 3, np.uint8)
        labels[10:20, 10:20], labels[40:] = 8, 11
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        assert cv2.imwrite(str(root / f"{name}.jpg"), noise)
        assert cv2.imwrite(str(root / f"{name}.png"), labels)


def check(folder: Path, **changes: Any) -> int:
    recipe = {
        "name": "checked",
        "architecture": {"name": "bisenetformer-nano"},
        "labels": "camvid11",
        "sources": [{"kind": "camvid", "splits": ["train"]}],
        "iterations": 1,
        "crop_size": [64, 64],
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, **changes}), encoding="utf-8")
    return main(["train", "--config", str(path), "--root", str(folder), "--check-data"])


def test_valid_data_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_camvid(tmp_path, "train/a", "train/b", "val/c")
    (tmp_path / "train" / "b.jpg").rename(tmp_path / "train" / "b.JPG")
    (tmp_path / "train" / "d.jpeg").touch()
    assert check(tmp_path, validation={"kind": "camvid", "splits": ["val"]}) == 0
    printed = capsys.readouterr().out
    assert re.search(r"│ road +│ +96\.1 │ +3 │ +│ +│", printed)
    assert re.search(r"│ car +│ +3\.9 │ +3 │ +3 │ +0 │", printed)
    assert re.search(r"│ sky +│ +0\.0 │ +0 │", printed)
    assert "3 images: 3 of 64x48; 16.7 % of the pixels are ignored" in printed
    assert "connected components stand in for them" in printed
    assert "warning: no pixel has the class sky, building, pole, pavement, " in printed
    assert "if the label images are masks" not in printed
    skipped = tmp_path / "train" / "d.jpeg"
    assert f"warning: 1 image skipped, whose names fit no pattern of the data set: {skipped}\n" in printed
    assert printed.endswith("no problems\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "train", "val"]


@pytest.mark.parametrize("bits", [1, 8])
def test_masks_are_read_and_suspected(tmp_path: Path, capsys: pytest.CaptureFixture[str], bits: int) -> None:
    """1 bit: 0 and 1 are class ids. 8 bits: 0 and 255 are a class and ignored pixels, probably by mistake."""
    write_camvid(tmp_path, "train/a")
    mask = np.tile(np.arange(64) >= 32, (48, 1))
    Image.fromarray(mask if bits == 1 else mask * np.uint8(255)).save(tmp_path / "train" / "a.png")
    labels = [{"name": name, "is_thing": False, "color": [0, 0, 0]} for name in ("background", "target")]
    content = {"images": "train/{name}.jpg", "label_images": "train/{name}.png", "splits": ["train"], "labels": labels}
    (tmp_path / "labels.yaml").write_text(yaml.safe_dump({"name": "set", "labels": labels}), encoding="utf-8")
    (tmp_path / "set.yaml").write_text(yaml.safe_dump({"name": "set", **content}), encoding="utf-8")
    assert check(tmp_path, sources=[{"kind": str(tmp_path / "set.yaml")}], labels=str(tmp_path / "labels.yaml")) == 0
    printed = capsys.readouterr().out
    if bits == 1:
        assert re.search(r"│ target +│ +50\.0 │ +1 │", printed)
        assert "warning" not in printed
    else:
        assert "warning: no pixel has the class target\n" in printed
        assert "are masks of 0 and 255, give the data set values: {0: background, 255: target}" in printed


def test_images_that_exif_turns_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Orientation 3, by 180 degrees, keeps the size: nothing else would reveal that the labels are not turned."""
    write_camvid(tmp_path, "train/a", "train/b")
    for name, orientation in (("a", 3), ("b", 6)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        with Image.open(tmp_path / "train" / f"{name}.jpg") as image:
            image.save(tmp_path / "train" / f"{name}.jpg", exif=exif.tobytes())
    assert check(tmp_path) == 1
    printed = capsys.readouterr().out
    a, b = tmp_path / "train" / "a.jpg", tmp_path / "train" / "b.jpg"
    assert f"{b} is 48x64, its labels are 64x48; the image is turned by its EXIF orientation 6: turn the" in printed
    assert f"warning: 1 image turned by EXIF, label images must be turned likewise: {a} (orientation 3)\n" in printed


def test_problems_of_all_sources_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_camvid(tmp_path, "train/a", "train/b", "val/c")
    (tmp_path / "val" / "c.jpg").write_bytes((tmp_path / "train" / "a.jpg").read_bytes())
    (tmp_path / "train" / "b.png").write_bytes(b"")
    set_of_two = {"images": "train/{name}.jpg", "label_images": "train/{name}.png", "splits": ["train"]}
    labels = [{"name": name, "is_thing": False, "color": [0, 0, 0]} for name in ("one", "two")]
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({**set_of_two, "labels": labels}), encoding="utf-8")
    sources = [
        {"kind": "camvid", "splits": ["train"]},
        {"kind": "camvid", "splits": ["test"], "weight": 2.0},
        {"kind": str(tmp_path / "two.yaml")},
    ]
    assert check(tmp_path, sources=sources, validation={"kind": "camvid", "splits": ["val"]}) == 1
    printed = capsys.readouterr().out
    for problem in (
        f"data set camvid: no test/{{name}}.jpg in {tmp_path}, which contains recipe.yaml, train/, two.yaml, val/\n",
        f"data set {tmp_path / 'two.yaml'} has the labels two, not camvid11: class 0 is one (stuff), not sky (stuff)",
        f"{tmp_path}/train/b.png is empty\n",
        f"{tmp_path}/val/c.jpg is identical to {tmp_path}/train/a.jpg\n",
    ):
        assert problem in printed
    assert printed.endswith("4 problems\n")


def test_a_wrong_recipe_is_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, sources=[{"kind": "kitti"}]) == 2
    assert "unknown data set 'kitti'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--config", str(tmp_path / "recipe.yaml"), "--check-data", "--out", "run"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_splits_that_the_recipe_does_not_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sources open the training split, the validation opens the other: a run must not be judged on what it learns."""
    write_camvid(tmp_path, "train/a", "train/b", "val/c")
    assert check(tmp_path, sources=[{"kind": "camvid"}], validation={"kind": "camvid"}) == 0
    printed = capsys.readouterr().out
    assert "3 images: 3 of 64x48" in printed
    assert "no problems" in printed
