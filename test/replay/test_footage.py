from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.replay.footage import DEFAULT_SEEDS, LabelFolder, drive_seeds, find_footage, render_footage
from bisenetformer_ros.streets import StreetDrive

LABELS = LabelMap.load("camvid11")
CAR, ROAD = 8, 3


def test_seeds_of_a_drive() -> None:
    assert drive_seeds("drive") == DEFAULT_SEEDS
    assert drive_seeds("drive:7") == (7,)
    assert drive_seeds("drive:7, 12,3") == (7, 12, 3)
    assert drive_seeds("driveway.mp4") is None
    assert max(DEFAULT_SEEDS) < 10000  # the training has those from there on


@pytest.mark.parametrize("source", ["drive:", "drive:-1", "drive:1,,2", "drive:x", "drive:1.5"])
def test_wrong_seeds_are_rejected(source: str) -> None:
    with pytest.raises(InputError, match="whole numbers from 0"):
        drive_seeds(source)


def test_a_rendered_drive_has_the_generators_pixels_and_labels(tmp_path: Path) -> None:
    rendered = []
    footage = render_footage((5, 9), 3, 4.0, tmp_path, lambda: rendered.append(1))
    names = sorted(path.stem for path in Path(footage.path).glob("*.png"))
    assert names == ["00000_drive5", "00001_drive9", "00002_drive9"]
    assert len(rendered) == 3
    expected = StreetDrive(9, 2, frame_rate_hz=4.0)[1]
    rgb = cv2.imread(f"{footage.path}/00002_drive9.png")[..., ::-1]
    label_map, instance_map = footage.truth.load("00002_drive9", LABELS)
    np.testing.assert_array_equal(rgb, expected.rgb)
    np.testing.assert_array_equal(label_map, expected.label_map)
    np.testing.assert_array_equal(instance_map, expected.instance_map)


def test_every_second_frame_has_depth_and_boxes(tmp_path: Path) -> None:
    footage = render_footage((5, 9), 7, 4.0, tmp_path, lambda: None, depth_every=2)
    names = sorted(path.stem for path in Path(footage.path).glob("*.png"))
    geometries = {name: footage.load_geometry(name) for name in names}
    assert [geometry.depth is not None for geometry in geometries.values()] == [*(True, False) * 3, True]
    drive, last = StreetDrive(9, 4, frame_rate_hz=4.0), geometries["00006_drive9"]
    np.testing.assert_array_equal(last.depth, drive.depth(3))
    things = drive.things(3)
    assert last.boxes["id"].tolist() == [thing.id for thing in things]
    assert last.boxes["class_id"].tolist() == [thing.class_id for thing in things]
    np.testing.assert_array_equal(last.boxes["center"], [thing.center for thing in things])
    np.testing.assert_array_equal(last.boxes["size"], [thing.size for thing in things])
    assert geometries["00005_drive9"].boxes is None


def test_fewer_frames_than_drives(tmp_path: Path) -> None:
    footage = render_footage((5, 9), 1, 4.0, tmp_path, lambda: None)
    assert [path.stem for path in Path(footage.path).glob("*.png")] == ["00000_drive9"]


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_labels_are_found_beside_the_images_or_in_a_given_folder(tmp_path: Path) -> None:
    labelled = touch(tmp_path / "labelled", "a.jpg", "a.png", "b.jpg")
    plain = touch(tmp_path / "plain", "a.png", "b.png")
    assert find_footage(str(labelled), None).truth.labels == labelled
    assert find_footage(str(labelled / "a*.jpg"), None).truth.labels == labelled
    assert find_footage(str(labelled / "b*.jpg"), None).truth is None
    assert find_footage(str(plain), None).truth is None
    assert find_footage(str(tmp_path / "drive.mp4"), plain).truth.labels == plain
    with pytest.raises(InputError, match=r"label images NAME\.png in '.*labelled/none', found none"):
        find_footage(str(plain), touch(labelled / "none"))


@pytest.mark.parametrize(("image", "label"), [("a.JPG", "a.png"), ("a.jpg", "a.PNG"), ("a.JPEG", "a.Png")])
def test_the_case_of_suffixes_does_not_matter(tmp_path: Path, image: str, label: str) -> None:
    touch(tmp_path, image)
    cv2.imwrite(str(tmp_path / "road.png"), np.full((4, 6), ROAD, np.uint8))
    (tmp_path / "road.png").rename(tmp_path / label)
    for truth in (find_footage(str(tmp_path), None).truth, find_footage(str(tmp_path / image), tmp_path).truth):
        label_map, _ = truth.load("a", LABELS)
        assert (label_map == ROAD).all()


def test_a_stream_has_labels_only_from_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    assert find_footage("rtsp://camera/stream", None).truth is None
    assert find_footage("rtsp://camera/stream", tmp_path).truth.labels == tmp_path


def test_other_values_are_ignored_and_components_are_instances(tmp_path: Path) -> None:
    pixels = np.full((20, 30), ROAD, np.uint8)
    pixels[2:10, 2:10] = pixels[2:10, 15:23] = CAR
    pixels[19] = 11
    pixels[18] = 255
    cv2.imwrite(str(tmp_path / "a.b.png"), pixels)
    label_map, instances = LabelFolder(tmp_path).load("a.b", LABELS)
    np.testing.assert_array_equal(label_map, np.where(pixels == 11, 255, pixels))
    assert instances[5, 5] != instances[5, 18]
    assert np.count_nonzero(instances) == 2 * 8 * 8


def test_an_unlabelled_frame_has_no_ground_truth(tmp_path: Path) -> None:
    assert LabelFolder(tmp_path).load("a", LABELS) is None


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colours_are_rejected(tmp_path: Path, dtype: type) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.tile(np.array([3, 4, 5], dtype), (4, 4, 1)))
    with pytest.raises(DataError, match=r"a\.png has colours, expected one channel that holds the model's class ids"):
        LabelFolder(tmp_path).load("a", LABELS)


@pytest.mark.parametrize("as_ids", [lambda ids: ids, lambda ids: np.dstack([ids] * 3)], ids=["grey", "R=G=B"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ids_are_read_from_any_label_image(tmp_path: Path, dtype: type, as_ids: Callable) -> None:
    ids = np.tile(np.array([ROAD, CAR, 11, 255, 200], dtype), (4, 1))
    cv2.imwrite(str(tmp_path / "a.png"), as_ids(ids))
    label_map, _ = LabelFolder(tmp_path).load("a", LABELS)
    assert label_map.dtype == np.uint8
    assert label_map.tolist() == [[ROAD, CAR, 255, 255, 255]] * 4


def test_one_bit_instances_are_numbers(tmp_path: Path) -> None:
    for folder, value in (("labels", CAR), ("instances", 1)):
        (tmp_path / folder).mkdir()
        pixels = np.full((4, 6), value, np.uint8)
        Image.fromarray(pixels if value > 1 else pixels == 1).save(tmp_path / folder / "a.png")
    _, instances = LabelFolder(tmp_path / "labels", tmp_path / "instances").load("a", LABELS)
    assert instances.tolist() == [[1] * 6] * 4


def test_a_corrupt_file_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.png cannot be read: it is corrupt or not an image"):
        LabelFolder(tmp_path).load("a", LABELS)
