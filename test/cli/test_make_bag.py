"""Bags of folders and of generated drives are read back."""

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from bisenetformer_ros.bags.images import LABEL_DECODERS, bag_images
from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.streets import StreetDrive

SIZE = (48, 64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a.jpg with labels beside it, b.jpg without; as CamVid, where 11 means unlabelled."""
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / "images" / f"{name}.jpg"), rng.integers(0, 256, (*SIZE, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.tile(np.arange(12, dtype=np.uint8), (48, 6))[:, :64])
    return tmp_path / "images"


def read(bag: Path, topic: str, decoders=None) -> list:
    with Bag(bag) as opened:
        images = list(bag_images(bag, opened.messages([topic]), *([decoders] if decoders else [])))
    return [(image.stamp_ns, image.read()) for image in images]


def test_a_folder_with_labels_beside_the_images(folder, tmp_path, capsys) -> None:
    bag = tmp_path / "bag"
    assert (
        main(["make-bag", str(folder), str(bag), "--rate", "4", "--storage", "sqlite3", "--compression", "file"]) == 0
    )
    (first_ns, first), (second_ns, _) = read(bag, "/camera/image_raw")
    np.testing.assert_array_equal(first, cv2.imread(str(folder / "a.jpg"))[..., ::-1])
    assert second_ns - first_ns == 250_000_000
    ((label_ns, labels),) = read(bag, "/labels/mask", LABEL_DECODERS)
    assert label_ns == first_ns
    assert labels[0, :12].tolist() == [*range(11), 255]
    output = capsys.readouterr().out
    assert "labels beside the images" in output
    assert "not among the class ids 0 to 10 are ignored: 11 (240 pixels)" in output
    assert "/labels/mask         sensor_msgs/msg/Image       1 message\n" in output


def test_images_without_labels_make_a_bag_without_label_topics(folder, tmp_path) -> None:
    (folder / "a.png").unlink()
    assert main(["make-bag", str(folder), str(tmp_path / "bag"), "--encoding", "jpeg", "--frames", "1"]) == 0
    with Bag(tmp_path / "bag") as bag:
        assert [(topic.name, topic.count) for topic in bag.topics] == [
            ("/camera/camera_info", 1),
            ("/camera/image_raw/compressed", 1),
        ]


def test_a_generated_drive_has_exact_labels_and_instances(tmp_path) -> None:
    bag = tmp_path / "bag"
    assert main(["make-bag", "drive:3", str(bag), "--frames", "2", "--rate", "5", "--encoding", "png"]) == 0
    expected = list(StreetDrive(3, 2, frame_rate_hz=5.0))
    for (_, rgb), frame in zip(read(bag, "/camera/image_raw/compressed"), expected, strict=True):
        np.testing.assert_array_equal(rgb, frame.rgb)
    for (_, labels), frame in zip(read(bag, "/labels/mask/compressed", LABEL_DECODERS), expected, strict=True):
        np.testing.assert_array_equal(labels, frame.label_map)
    for (_, instances), frame in zip(read(bag, "/labels/instances/compressed", LABEL_DECODERS), expected, strict=True):
        np.testing.assert_array_equal(instances, frame.instance_map)


def read_messages(bag: Path, topic: str) -> list:
    with Bag(bag) as opened:
        return [message_types().deserialize_cdr(m.data, m.type) for m in opened.messages([topic])]


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_a_generated_drive_has_exact_depth(tmp_path, capsys, encoding) -> None:
    bag = tmp_path / "bag"
    arguments = ["--depth", "--frames", "2", "--rate", "5", "--encoding", encoding]
    assert main(["make-bag", "drive:3", str(bag), *arguments]) == 0
    assert "exact labels, instances and depth" in capsys.readouterr().out
    drive = StreetDrive(3, 2, frame_rate_hz=5.0)
    topics = ("/camera/depth/image", "/camera/depth/camera_info", "/camera/camera_info")
    for index, (message, of_depth, info) in enumerate(zip(*(read_messages(bag, name) for name in topics), strict=True)):
        assert (message.encoding, message.step, message.is_bigendian) == ("32FC1", 4 * 480, 0)
        depth = message.data.view("<f4").reshape(message.height, message.width)
        np.testing.assert_array_equal(depth, drive.depth(index))
        assert message.header == info.header == of_depth.header
        assert info.header.frame_id == "camera_optical_frame"
        for calibration in (info, of_depth):
            assert (calibration.height, calibration.width) == depth.shape
            np.testing.assert_array_equal(calibration.k.reshape(3, 3), drive.camera_matrix(index))


def test_a_generated_drive_is_calibrated_without_depth(tmp_path) -> None:
    assert main(["make-bag", "drive:3", str(tmp_path / "bag"), "--frames", "1"]) == 0
    (info,) = read_messages(tmp_path / "bag", "/camera/camera_info")
    np.testing.assert_array_equal(info.k.reshape(3, 3), StreetDrive(3, 1).camera_matrix(0))
    with Bag(tmp_path / "bag") as bag:
        assert not [topic.name for topic in bag.topics if "depth" in topic.name]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([".", "--depth"], "--depth: expected a generated drive, drive:SEED, got .; leave out --depth"),
        (["drive:3,4"], "a bag holds one drive; expected drive:SEED, got 'drive:3,4'"),
        (["drive:3", "--label-map", "cityscapes19"], "a generated drive has the classes of camvid11"),
        (
            ["drive:3", "--storage=sqlite3", "--compression=chunk", "--frames=1"],
            "sqlite3 has no chunk compression",
        ),
        (["nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_invalid_sources_are_rejected(tmp_path, capsys, arguments, problem) -> None:
    assert main(["make-bag", arguments[0], str(tmp_path / "bag"), *arguments[1:]]) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


def test_an_image_that_exif_turns_is_named(folder, tmp_path, capsys) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 8
    with PIL.Image.open(folder / "a.jpg") as image:
        image.save(folder / "a.jpg", exif=exif.tobytes())
    assert main(["make-bag", str(folder), str(tmp_path / "bag")]) == 2
    assert "expected the same size; the image is turned by its EXIF orientation 8: turn" in capsys.readouterr().err


def test_a_label_image_of_another_size_is_refused(folder, tmp_path, capsys) -> None:
    cv2.imwrite(str(folder / "a.png"), np.zeros((10, 10), np.uint8))
    assert main(["make-bag", str(folder), str(tmp_path / "bag")]) == 2
    assert "the label image of a is 10x10, the image is 64x48" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("option", [["--rate", "0"], ["--rate", "-1"], ["--frames", "0"], ["--storage", "bag"]])
def test_invalid_options_are_rejected(tmp_path, capsys, option) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["make-bag", "drive:3", str(tmp_path / "bag"), *option])
    assert ended.value.code == 2


STREETS = """
root: data
labels:
  - {name: road, is_thing: false, color: [128, 64, 128]}
  - {name: car, is_thing: true, color: [0, 0, 142]}
values: {1: road, 30: car, 40: car, 0: ignore}
images: images/{split}/{name}.jpg
label_images: labels/{split}/{name}.png
instance_images: instances/{split}/{name}.png
splits: [train, val]
"""


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    """A data set whose values are no class ids; the two cars touch and have instance numbers as colours."""
    for kind in ("images", "labels", "instances"):
        (tmp_path / "data" / kind / "val").mkdir(parents=True)
    values = np.ones(SIZE, np.uint8)
    values[:10] = 0
    values[20:40, 10:30], values[20:40, 30:50] = 30, 40
    numbers = np.zeros((*SIZE, 3), np.uint8)
    numbers[20:40, 10:30], numbers[20:40, 30:50] = (1, 0, 3), (1, 0, 7)  # BGR; 65536 + 3 and + 7
    cv2.imwrite(str(tmp_path / "data/images/val/a.jpg"), np.full((*SIZE, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "data/labels/val/a.PNG"), values)
    cv2.imwrite(str(tmp_path / "data/instances/val/a.PNG"), numbers)
    (tmp_path / "streets.yaml").write_text(STREETS)
    return tmp_path


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_the_description_of_a_data_set_defines_values_and_instances(streets, capsys, encoding) -> None:
    bag, data = streets / "bag", streets / "data"
    arguments = ["make-bag", str(data / "images/val"), str(bag), "--labels", str(data / "labels/val")]
    assert main([*arguments, "--label-map", str(streets / "streets.yaml"), "--encoding", encoding]) == 0
    assert f"instances from {data / 'instances/val'}" in capsys.readouterr().out
    suffix = "" if encoding == "raw" else "/compressed"
    ((_, labels),) = read(bag, f"/labels/mask{suffix}", LABEL_DECODERS)
    assert (labels[0, 0], labels[45, 0], labels[25, 15], labels[25, 35]) == (255, 0, 1, 1)
    ((_, instances),) = read(bag, f"/labels/instances{suffix}", LABEL_DECODERS)
    assert instances[45, 0] == 0
    assert sorted({instances[25, 15], instances[25, 35]}) == [1, 2]


def test_label_images_elsewhere_have_the_values_but_no_instances(streets) -> None:
    cv2.imwrite(str(streets / "data/images/val/a.png"), np.full(SIZE, 40, np.uint8))
    arguments = ["make-bag", str(streets / "data/images/val"), str(streets / "bag")]
    assert main([*arguments, "--label-map", str(streets / "streets.yaml")]) == 0
    ((_, labels),) = read(streets / "bag", "/labels/mask", LABEL_DECODERS)
    assert (labels == 1).all()
    with Bag(streets / "bag") as bag:
        assert "/labels/instances" not in [topic.name for topic in bag.topics]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("30: car, ", ""), "has the values 30 (400 pixels); expected 0, 1, 40"),
        (("30: car", "30: lorry"), "streets.yaml: values contains lorry; expected ignore, road, car"),
        (("{1: road", "{-1: road"), "streets.yaml: values: expected {7: road, 0: ignore}"),
        (("splits:", "split:"), "streets.yaml: missing key 'splits'; unknown key 'split'"),
        ((STREETS[STREETS.index("images:") :], "panoptic_json: a.json"), "expected values of label images"),
    ],
)
def test_values_that_do_not_fit_the_label_images_are_refused(streets, capsys, change, problem) -> None:
    description = streets / "streets.yaml"
    description.write_text(STREETS.replace(*change))
    folders = [str(streets / "data/images/val"), str(streets / "bag"), "--labels", str(streets / "data/labels/val")]
    assert main(["make-bag", *folders, "--label-map", str(description)]) == 2
    assert problem in capsys.readouterr().err
    assert not (streets / "bag").exists()


def test_a_label_map_may_have_values_without_being_a_data_set(streets) -> None:
    (streets / "streets.yaml").write_text(STREETS[: STREETS.index("images:")].replace("root: data", ""))
    folders = [str(streets / "data/images/val"), str(streets / "bag"), "--labels", str(streets / "data/labels/val")]
    assert main(["make-bag", *folders, "--label-map", str(streets / "streets.yaml")]) == 0
    ((_, labels),) = read(streets / "bag", "/labels/mask", LABEL_DECODERS)
    assert sorted(set(labels.ravel().tolist())) == [0, 1, 255]


def test_labels_of_other_images_are_refused(folder, tmp_path, capsys) -> None:
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "labels" / "z.png"), np.zeros(SIZE, np.uint8))
    assert main(["make-bag", str(folder), str(tmp_path / "bag"), "--labels", str(tmp_path / "labels")]) == 2
    assert f"{tmp_path / 'labels'} has no NAME.png for any image NAME of {folder}" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()
