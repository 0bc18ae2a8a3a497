"""Labels are matched to images by stamp; labels that do not fit are rejected."""

import numpy as np
import pytest

from bisenetformer_ros.bags.message_types import messages
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.errors import ConfigError, DataError, InputError
from bisenetformer_ros.evaluation.bag_truth import BagTruth
from bisenetformer_ros.labels import LabelMap

CAMVID = LabelMap.load("camvid11")
SIZE = (64, 96)


def stamp(number: int) -> int:
    return 1_000_000_000 + number * 100_000_000


def write_labels(path, entries) -> None:
    """entries: (stamp in ns, pixels) of /labels/mask, in the order of recording."""
    with BagWriter(path) as writer:
        writer.add_topic("/labels/mask", "sensor_msgs/msg/Image")
        for time_ns, (stamp_ns, pixels) in enumerate(entries):
            writer.write("/labels/mask", time_ns, messages.image(messages.header(stamp_ns), pixels))


def test_labels_and_instances_are_matched_by_stamp(drive, frames) -> None:
    with BagTruth(drive, "/labels/mask", "/labels/instances", CAMVID) as truth:
        assert truth.has_instances
        for number, (_, labels, instances) in enumerate(frames):
            found = truth.at(stamp(number), SIZE)
            assert truth.at(stamp(number) + 1, SIZE) is None
            if number == 2:
                assert found is None
            else:
                np.testing.assert_array_equal(found[0], labels)
                np.testing.assert_array_equal(found[1], instances)
        assert truth.num_found == 5


def test_connected_components_replace_missing_instances(tmp_path) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:10, 2:10] = labels[2:10, 20:28] = CAMVID.thing_ids[0]
    write_labels(tmp_path / "bag", [(5, labels)])
    with BagTruth(tmp_path / "bag", "/labels/mask", None, CAMVID) as truth:
        assert not truth.has_instances
        _, instances = truth.at(5, (20, 30))
    assert set(np.unique(instances)) == {0, 1, 2}
    assert instances[5, 5] != instances[5, 25]


def test_values_without_a_class_are_ignored(tmp_path) -> None:
    write_labels(tmp_path / "bag", [(5, np.array([[0, 10, 11], [254, 255, 300]], np.uint16))])
    with BagTruth(tmp_path / "bag", "/labels/mask", None, CAMVID) as truth:
        assert truth.at(5, (2, 3))[0].tolist() == [[0, 10, 255], [255, 255, 255]]


def test_surplus_and_missing_labels_in_any_pattern(tmp_path) -> None:
    values = [np.full((1, 1), number, np.uint8) for number in range(6)]
    write_labels(tmp_path / "bag", [(number, values[number]) for number in (0, 2, 3, 5)])
    with BagTruth(tmp_path / "bag", "/labels/mask", None, CAMVID) as truth:
        found = [truth.at(number, (1, 1)) for number in (1, 2, 4, 5, 6)]
    assert [labels and int(labels[0][0, 0]) for labels in found] == [None, 2, None, 5, None]


def test_labels_are_found_in_any_order_of_recording(tmp_path) -> None:
    order = [5, 1, 0, 4, 3, 2]
    write_labels(tmp_path / "bag", [(number, np.full((1, 1), number, np.uint8)) for number in order])
    with BagTruth(tmp_path / "bag", "/labels/mask", None, CAMVID) as truth:
        found = [truth.at(number, (1, 1)) for number in (1, 0, 2, 3, 5, 4)]
    assert [int(labels[0][0, 0]) for labels in found] == [1, 0, 2, 3, 5, 4]


def test_a_looped_drive_finds_its_labels_again(tmp_path) -> None:
    write_labels(tmp_path / "bag", [(n % 3, np.full((1, 1), n, np.uint8)) for n in range(6)])
    with BagTruth(tmp_path / "bag", "/labels/mask", None, CAMVID) as truth:
        assert [int(truth.at(n % 3, (1, 1))[0][0, 0]) for n in range(6)] == list(range(6))


def test_labels_of_another_size_are_refused(drive) -> None:
    with (
        BagTruth(drive, "/labels/mask", None, CAMVID) as truth,
        pytest.raises(DataError, match=r"/labels/mask, drive_000000: the label image is 96x64, its image is 48x32"),
    ):
        truth.at(stamp(0), (32, 48))


def test_color_images_are_rejected_as_labels(drive) -> None:
    with (
        BagTruth(drive, "/camera/image_raw", None, CAMVID) as truth,
        pytest.raises(DataError, match=r"/camera/image_raw, drive_000000: encoding 'rgb8' holds no labels"),
    ):
        truth.at(stamp(0), SIZE)


def test_missing_topics_are_rejected(drive) -> None:
    with pytest.raises(InputError, match=r"there is no topic /truth \(--label-topic\)\. The bag holds:"):
        BagTruth(drive, "/truth", None, CAMVID)
    with pytest.raises(InputError, match=r"/camera/camera_info is of type .* \(--instance-topic\)\. The bag holds:"):
        BagTruth(drive, "/labels/mask", "/camera/camera_info", CAMVID)


def test_labels_of_other_classes_are_refused(drive) -> None:
    with pytest.raises(
        ConfigError, match=r"the model has the classes road, .*according to /labels/label_info, .* sky, building"
    ):
        BagTruth(drive, "/labels/mask", None, LabelMap.load("cityscapes19"))


def test_labels_without_instances_are_reported(tmp_path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for topic, stamp_ns in (("/labels/mask", 5), ("/labels/instances", 6)):
            writer.add_topic(topic, "sensor_msgs/msg/Image")
            writer.write(topic, 1, messages.image(messages.header(stamp_ns), np.zeros((1, 1), np.uint8)))
    with (
        BagTruth(tmp_path / "bag", "/labels/mask", "/labels/instances", CAMVID) as truth,
        pytest.raises(DataError, match="/labels/instances has no image of stamp 5, but /labels/mask has"),
    ):
        truth.at(5, (1, 1))
