import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.data.camvid import open_camvid
from bisenetformer_ros.errors import DataError

ROAD, CAR = 3, 8
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
    dataset = open_camvid(root, ("val", "train"))
    assert [dataset[index].name for index in range(len(dataset))] == ["c", "a", "b"]
    assert len(open_camvid(root)) == 2


def test_a_sample_is_rgb_with_labels_and_instances(root: Path) -> None:
    sample = open_camvid(root, ("val",))[0]
    assert (sample.rgb.shape, sample.rgb.dtype) == ((24, 32, 3), np.uint8)
    np.testing.assert_allclose(sample.rgb.reshape(-1, 3).mean(axis=0), [200, 0, 0], atol=3)
    assert (sample.label_map.dtype, sample.instance_map.dtype) == (np.uint8, np.int32)
    assert np.unique(sample.label_map).tolist() == [ROAD, CAR, 255]
    assert bool((sample.label_map[:, 30:] == 255).all())
    np.testing.assert_array_equal(sample.instance_map == 1, sample.label_map == CAR)


def test_a_missing_split_is_told(root: Path) -> None:
    with pytest.raises(DataError, match=r"no test/\{name\}.jpg in .*, which holds train/, val/"):
        open_camvid(root, ("test",))
    with pytest.raises(DataError, match="CamVid has the splits train, val, test, not 'trainval'"):
        open_camvid(root, ("trainval",))


def test_images_without_labels_are_named(root: Path) -> None:
    (root / "train" / "b.png").unlink()
    (problem,) = open_camvid(root).problems
    assert problem.startswith("train/{name}.png is missing for 1 of 2 names: b\n")


def test_eleven_means_unlabelled_and_twelve_is_refused(root: Path) -> None:
    cv2.imwrite(str(root / "val" / "c.png"), np.full((24, 32), 12, np.uint8))
    with pytest.raises(DataError, match=r"c.png \(32x24\) has the values 12 \(768 pixels\); expected 0, 1, .* 11$"):
        open_camvid(root, ("val",))[0]


@pytest.mark.skipif(not REAL.is_dir(), reason="CamVid is not here; BISENETFORMER_CAMVID names its folder")
def test_the_real_one_is_complete() -> None:
    sizes = [len(open_camvid(REAL, (split,))) for split in ("train", "val", "test")]
    assert sizes == [367, 101, 233]
    sample = open_camvid(REAL, ("test",))[0]
    assert sample.rgb.shape == (360, 480, 3)
    assert set(np.unique(sample.label_map)) <= {*range(11), 255}
