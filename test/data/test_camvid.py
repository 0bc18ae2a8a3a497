import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.data.camvid import MIN_INSTANCE_AREA, CamVid, connected_instances
from bisenetformer_ros.errors import DataError

ROAD, CAR, PEDESTRIAN = 3, 8, 9
REAL = Path(os.environ.get("BISENETFORMER_CAMVID", Path(__file__).resolve().parents[3] / "shared/data/camvid"))


def write_pair(folder: Path, name: str, label_map: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    red = np.zeros((*label_map.shape, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes BGR
    cv2.imwrite(str(folder / f"{name}.jpg"), red)
    cv2.imwrite(str(folder / f"{name}.png"), label_map)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images in train/, one in val/."""
    label_map = np.full((24, 32), ROAD, np.uint8)
    label_map[:, 30:] = 11
    label_map[4:12, 2:10] = CAR
    for split, name in (("train", "b"), ("train", "a"), ("val", "c")):
        write_pair(tmp_path / split, name, label_map)
    return tmp_path


def test_splits_are_read_in_order(root: Path) -> None:
    dataset = CamVid(root, ("val", "train"))
    assert [dataset[index].name for index in range(len(dataset))] == ["c", "a", "b"]
    assert len(CamVid(root)) == 2


def test_a_sample_is_rgb_with_labels_and_instances(root: Path) -> None:
    sample = CamVid(root, ("val",))[0]
    assert (sample.rgb.shape, sample.rgb.dtype) == ((24, 32, 3), np.uint8)
    np.testing.assert_allclose(sample.rgb.reshape(-1, 3).mean(axis=0), [200, 0, 0], atol=3)
    assert (sample.label_map.dtype, sample.instance_map.dtype) == (np.uint8, np.int32)
    assert np.unique(sample.label_map).tolist() == [ROAD, CAR, 255]
    assert bool((sample.label_map[:, 30:] == 255).all())
    np.testing.assert_array_equal(sample.instance_map == 1, sample.label_map == CAR)


def test_instances_are_the_connected_components_of_each_thing_class() -> None:
    picture = [
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCC......CCCCCC",
        "CCCCCCPPPPP.CCCCCC",
        "......PPPPPC......",  # touches the right car by a corner
        "......PPPPP.......",
        "C.....PPPPP.....P.",  # too small
        "......PPPPP.......",
    ]
    codes = {".": ROAD, "C": CAR, "P": PEDESTRIAN}
    label_map = np.array([[codes[letter] for letter in row] for row in picture], np.uint8)
    instances = connected_instances(label_map, thing_ids=(CAR, PEDESTRIAN))
    expected = np.zeros(label_map.shape, np.int32)
    expected[:5, :6] = 1
    expected[:5, 12:] = 2
    expected[5, 11] = 2
    expected[4:, 6:11] = 3
    np.testing.assert_array_equal(instances, expected)


def test_the_least_instance_has_the_least_area() -> None:
    label_map = np.full((3, 2 * MIN_INSTANCE_AREA + 1), ROAD, np.uint8)
    label_map[1, :MIN_INSTANCE_AREA] = CAR
    label_map[1, MIN_INSTANCE_AREA + 2 :] = CAR
    areas = np.bincount(connected_instances(label_map, (CAR,)).reshape(-1))
    assert areas[1:].tolist() == [MIN_INSTANCE_AREA]


def test_a_missing_split_is_told_with_the_layout(root: Path) -> None:
    with pytest.raises(DataError, match=r"no images in .*test; expected ROOT/\{train,val,test\}/NAME.jpg"):
        CamVid(root, ("test",))
    with pytest.raises(DataError, match="CamVid has the splits train, val, test, not 'trainval'"):
        CamVid(root, ("trainval",))


def test_images_without_labels_are_named(root: Path) -> None:
    (root / "train" / "b.png").unlink()
    with pytest.raises(DataError, match=r"train: no label PNG for b.jpg"):
        CamVid(root)


@pytest.mark.parametrize("damage", [b"", b"not an image", None], ids=["empty", "text", "cut"])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_damaged_file_is_named(root: Path, suffix: str, damage: bytes | None) -> None:
    path = (root / "val" / "c.jpg").with_suffix(suffix)
    path.write_bytes(path.read_bytes()[:-9] if damage is None else damage)
    with pytest.raises(DataError, match=r"cannot read .*c.jpg or its label PNG: the file is damaged"):
        CamVid(root, ("val",))[0]


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        (np.full((24, 32), 12, np.uint8), "largest value 12"),
        (np.full((20, 32), ROAD, np.uint8), r"shape \(20, 32\)"),
        (np.full((24, 32, 3), ROAD, np.uint8), r"shape \(24, 32, 3\)"),
    ],
)
def test_labels_of_another_kind_are_told(root: Path, label_map: np.ndarray, message: str) -> None:
    cv2.imwrite(str(root / "val" / "c.png"), label_map)
    with pytest.raises(DataError, match=f"c.png: .*{message}.*uint8 class ids 0..10"):
        CamVid(root, ("val",))[0]


@pytest.mark.skipif(not REAL.is_dir(), reason="CamVid is not here; BISENETFORMER_CAMVID names its folder")
def test_the_real_one_is_complete() -> None:
    sizes = [len(CamVid(REAL, (split,))) for split in ("train", "val", "test")]
    assert sizes == [367, 101, 233]
    sample = CamVid(REAL, ("test",))[0]
    assert sample.rgb.shape == (360, 480, 3)
    assert set(np.unique(sample.label_map)) <= {*range(11), 255}
