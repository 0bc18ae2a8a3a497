from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bisenetformer_ros.data.catalog import find_dataset, open_dataset, open_sources
from bisenetformer_ros.data.generated import RenderedDrives
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.streets import StreetDrive

TINY = {"first_seed": 5, "num_drives": 2, "frames_per_drive": 2, "size": (36, 48)}


def test_rendered_drives_are_frames_spread_over_drives() -> None:
    dataset = RenderedDrives(**TINY)
    assert [sample.name for sample in dataset.samples] == ["drive5_000", "drive5_059", "drive6_000", "drive6_059"]
    frame = StreetDrive(6, size=(36, 48))[59]
    sample = dataset[3]
    np.testing.assert_array_equal(sample.rgb, frame.rgb)
    np.testing.assert_array_equal(sample.label_map, frame.label_map)
    np.testing.assert_array_equal(sample.instance_map, frame.instance_map)
    assert sample.instance_map.dtype == np.int32


def test_sources_of_a_recipe_are_opened_in_order() -> None:
    sources = ({"kind": "synthetic", "weight": 2.0, **TINY}, {"kind": "synthetic", **TINY, "num_drives": 1})
    assert [len(dataset) for dataset in open_sources(sources, root=None)] == [4, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"kind": "kitti"},
            ConfigError,
            "unknown data set 'kitti', expected ade20k, .*cityscapes, synthetic or a YAML",
        ),
        ({"kind": "camvid"}, ConfigError, "camvid needs --root DIR"),
        ({"kind": "camvid", "root": Path("nowhere"), "split": "val"}, ConfigError, "camvid: .*'split'"),
        ({"kind": "camvid", "root": Path("nowhere"), "splits": "val"}, ConfigError, "splits is 'val', expected"),
        ({"kind": "camvid", "root": Path("nowhere"), "splits": []}, ConfigError, r"splits is \[\], expected a list"),
        ({"kind": "camvid", "root": Path("nowhere")}, DataError, "in nowhere, which is not a folder"),
        ({"kind": "synthetic", "drives": 3}, ConfigError, "data set synthetic: .*drives"),
        ({"kind": "nowhere/mine.yaml"}, ConfigError, "nowhere/mine.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_opened_is_told(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_dataset(**arguments)


def test_a_source_has_its_own_root_or_that_of_the_command_line(tmp_path: Path) -> None:
    for folder, count in (("here", 1), ("there", 2)):
        for number in range(count):
            for suffix in (".jpg", ".png"):
                file = tmp_path / folder / "train" / f"{number}{suffix}"
                file.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(file), np.zeros((8, 8), np.uint8))
    sources = ({"kind": "camvid"}, {"kind": "camvid", "root": str(tmp_path / "there"), "splits": ["train"]})
    assert [len(dataset) for dataset in open_sources(sources, tmp_path / "here")] == [1, 2]


def test_an_incomplete_data_set_is_found_and_not_opened(tmp_path: Path) -> None:
    for file in ("a.jpg", "a.png", "b.jpg"):
        (tmp_path / "train").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "train" / file), np.zeros((8, 8), np.uint8))
    found = find_dataset("camvid", tmp_path)
    assert [image.name for image in found.images] == ["a"]
    with pytest.raises(DataError, match=r"(?s)data set camvid: train/{name}.png is missing for 1 of 2 names: b\n"):
        open_dataset("camvid", tmp_path)
