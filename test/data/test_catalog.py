import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bisenetformer_ros.data.catalog import RenderedDrives, find_dataset, open_camvid, open_dataset, open_sources
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.streets import StreetDrive

ROAD, CAR = 3, 8
REAL = Path(os.environ.get("BISENETFORMER_CAMVID", Path(__file__).resolve().parents[3] / "shared/data/camvid"))
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
    crowded = RenderedDrives(**TINY, crowd=2.5)[3]
    np.testing.assert_array_equal(crowded.rgb, StreetDrive(6, size=(36, 48), crowd=2.5)[59].rgb)


def test_sources_of_a_recipe_are_opened_in_order() -> None:
    sources = ({"kind": "synthetic", "weight": 2.0, **TINY}, {"kind": "synthetic", **TINY, "num_drives": 1})
    assert [len(dataset) for dataset in open_sources(sources, None, "train")] == [4, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"kind": "kitti"},
            ConfigError,
            "unknown data set 'kitti', expected ade20k, .*cityscapes, .*synthetic or a YAML",
        ),
        ({"kind": "camvid"}, ConfigError, "camvid needs --root DIR"),
        ({"kind": "camvid", "root": Path("nowhere"), "split": "val"}, ConfigError, "camvid: .*'split'"),
        ({"kind": "camvid", "root": Path("nowhere"), "splits": "val"}, ConfigError, "splits is 'val', expected"),
        ({"kind": "camvid", "root": Path("nowhere"), "splits": []}, ConfigError, r"splits is \[\], expected a list"),
        ({"kind": "camvid", "root": Path("nowhere")}, DataError, "in nowhere, which is not a folder"),
        ({"kind": "synthetic", "drives": 3}, ConfigError, "data set synthetic: .*drives"),
        ({"kind": "nowhere/mine.yaml"}, ConfigError, "nowhere/mine.yaml: file not found"),
    ],
)
def test_unknown_data_sets_and_options_are_reported(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
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
    assert [len(dataset) for dataset in open_sources(sources, tmp_path / "here", "train")] == [1, 2]


def test_an_incomplete_data_set_is_found_and_not_opened(tmp_path: Path) -> None:
    for file in ("a.jpg", "a.png", "b.jpg"):
        (tmp_path / "train").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "train" / file), np.zeros((8, 8), np.uint8))
    found = find_dataset("camvid", tmp_path, splits=["train"])
    assert [image.name for image in found.images] == ["a"]
    with pytest.raises(DataError, match=r"(?s)data set camvid: train/{name}.png is missing for 1 of 2 names: b\n"):
        open_dataset("camvid", tmp_path, splits=["train"])


def write_pair(folder: Path, name: str, label_map: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    red = np.zeros((*label_map.shape, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes BGR
    cv2.imwrite(str(folder / f"{name}.jpg"), red)
    cv2.imwrite(str(folder / f"{name}.png"), label_map)


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two images in train/, one in val/."""
    label_map = np.full((24, 32), ROAD, np.uint8)
    label_map[:, 30:] = 11
    label_map[4:12, 2:10] = CAR
    for split, name in (("train", "b"), ("train", "a"), ("val", "c")):
        write_pair(tmp_path / split, name, label_map)
    return tmp_path


def test_splits_of_camvid_are_read_in_order(camvid: Path) -> None:
    dataset = open_camvid(camvid, ("val", "train"))
    assert [dataset[index].name for index in range(len(dataset))] == ["c", "a", "b"]


def test_without_a_name_the_split_for_evaluation_is_opened(camvid: Path) -> None:
    """As by `bisenetformer evaluate`; training sources open the one for training."""
    assert [image.name for image in open_dataset("camvid", camvid).images] == ["c"]
    for split, names in (("train", ["a", "b"]), ("val", ["c"])):
        (dataset,) = open_sources([{"kind": "camvid"}], camvid, split)
        assert [image.name for image in dataset.images] == names


def test_a_sample_of_camvid_is_rgb_with_labels_and_instances(camvid: Path) -> None:
    sample = open_camvid(camvid, ("val",))[0]
    assert (sample.rgb.shape, sample.rgb.dtype) == ((24, 32, 3), np.uint8)
    np.testing.assert_allclose(sample.rgb.reshape(-1, 3).mean(axis=0), [200, 0, 0], atol=3)
    assert (sample.label_map.dtype, sample.instance_map.dtype) == (np.uint8, np.int32)
    assert np.unique(sample.label_map).tolist() == [ROAD, CAR, 255]
    assert bool((sample.label_map[:, 30:] == 255).all())
    np.testing.assert_array_equal(sample.instance_map == 1, sample.label_map == CAR)


def test_a_missing_split_is_reported(camvid: Path) -> None:
    with pytest.raises(DataError, match=r"no test/\{name\}.jpg in .*, which contains train/, val/"):
        open_camvid(camvid, ("test",))
    with pytest.raises(DataError, match="CamVid has the splits train, val, test, not 'trainval'"):
        open_camvid(camvid, ("trainval",))


def test_images_without_labels_are_named(camvid: Path) -> None:
    (camvid / "train" / "b.png").unlink()
    (problem,) = open_camvid(camvid, ("train",)).problems
    assert problem.startswith("train/{name}.png is missing for 1 of 2 names: b\n")


def test_eleven_means_unlabelled_and_twelve_is_refused(camvid: Path) -> None:
    cv2.imwrite(str(camvid / "val" / "c.png"), np.full((24, 32), 12, np.uint8))
    with pytest.raises(DataError, match=r"c.png \(32x24\) has the values 12 \(768 pixels\); expected 0, 1, .* 11$"):
        open_camvid(camvid, ("val",))[0]


@pytest.mark.skipif(not REAL.is_dir(), reason="CamVid is not here; BISENETFORMER_CAMVID names its folder")
def test_the_real_camvid_is_complete() -> None:
    sizes = [len(open_camvid(REAL, (split,))) for split in ("train", "val", "test")]
    assert sizes == [367, 101, 233]
    sample = open_camvid(REAL, ("test",))[0]
    assert sample.rgb.shape == (360, 480, 3)
    assert set(np.unique(sample.label_map)) <= {*range(11), 255}
