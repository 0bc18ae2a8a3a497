"""Follows docs/datasets.md from labelled PNGs to a network, with its own YAML files and commands."""

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.data.catalog import open_dataset
from bisenetformer_ros.errors import DataError
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.segmenter import Segmenter

PAGE = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
YAML_FILES = dict(re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", PAGE, re.DOTALL))
SHORTER = {"iterations": 2, "validate_every": 2, "batch_size": 2, "crop_size": [64, 64], "num_points": 32}


def commands(name: str) -> list[list[str]]:
    """Arguments of every `bisenetformer NAME` on the page that is about the example."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [line[1:] for line in lines if line[:2] == ["bisenetformer", name] and "streets" in " ".join(line)]


@pytest.fixture
def streets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Write the page's files and a few images; return the label values of one."""
    monkeypatch.chdir(tmp_path)
    for name, text in YAML_FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    recipe = yaml.safe_load(YAML_FILES["streets-nano.yaml"])
    assert SHORTER.keys() <= recipe.keys()
    Path("streets-nano.yaml").write_text(yaml.safe_dump({**recipe, **SHORTER}), encoding="utf-8")
    values = np.repeat(np.array([1, 11, 41, 20, 21, 30, 0], np.uint8), 14)[:, None].repeat(128, axis=1)
    numbers = np.zeros((98, 128), np.uint16)
    values[30:60, 10:40], numbers[30:60, 10:40] = 50, 1
    values[30:60, 40:70], numbers[30:60, 40:70] = 50, 400
    values[40:80, 90:110], numbers[40:80, 90:110] = 61, 2
    for number, split in enumerate(("train", "train", "val")):
        picture = np.random.default_rng(number).integers(0, 256, (98, 128, 3), dtype=np.uint8)
        for kind, image, suffix in (
            ("images", picture, "jpg"),
            ("labels", values, "png"),
            ("instances", numbers, "png"),
        ):
            folder = Path("streets", kind, split)
            folder.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(folder / f"{number}.{suffix}"), image)
    return {"values": values, "numbers": numbers}


def test_the_yaml_files_match_the_page(streets: dict[str, np.ndarray]) -> None:
    dataset = open_dataset("streets.yaml", splits=["train"])
    names = {class_id: label.name for class_id, label in enumerate(dataset.labels)}
    sample = dataset[0]
    seen = {int(value): names.get(int(sample.label_map[streets["values"] == value][0])) for value in (1, 11, 41, 61, 0)}
    assert seen == {1: "sky", 11: "building", 41: "pole or sign", 61: "person", 0: None}
    np.testing.assert_array_equal(sample.instance_map, streets["numbers"])
    with pytest.raises(DataError, match=r"nowhere/annotations/panoptic_val2017.json does not exist; "):
        open_dataset("coco.yaml", splits=["val"], root=Path("nowhere"))


def test_the_commands_lead_to_a_network(streets: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    (check, train), (evaluate,), (segment,) = commands("train"), commands("evaluate"), commands("segment")
    assert main(check) == 0
    printed = capsys.readouterr().out
    assert "no problems" in printed
    share = 100 * 30 * 60 / (98 - 14) / 128
    assert re.search(rf"car +│ +{share:.1f} │ +3 │ +6 │ +0 │", printed)
    assert main([*train, "--device", "cpu", "--workers", "0"]) == 0
    weights = Path(evaluate[evaluate.index("--model") + 1])
    _, metadata = load_checkpoint(weights)
    assert metadata.labels == open_dataset("streets.yaml").labels
    assert main([*evaluate, "--json", "measured.json"]) == 0
    assert json.loads(Path("measured.json").read_text(encoding="utf-8"))["num_images"] == 1
    assert main(segment) == 0
    assert [path.name for path in Path("segmented").glob("*_label.png")] == ["2_label.png"]
    assert Segmenter(str(weights)).labels == metadata.labels


def test_an_unlisted_value_fails_the_check(streets: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    assert cv2.imwrite("streets/labels/train/0.png", streets["values"] + 100)
    check, _ = commands("train")
    assert main(check) == 1
    assert "streets/labels/train/0.png (128x98) has the values 100 " in capsys.readouterr().out
