"""Recorded frames are read back, in every encoding of the images."""

import numpy as np
import pytest
from rosbags.rosbag2 import Reader

from bisenetformer_ros.bags.images import LABEL_DECODERS, bag_images
from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.bags.recorder import BagFormat, DriveRecorder
from bisenetformer_ros.labels import LabelMap

CAMVID = LabelMap.load("camvid11")
RGB = np.zeros((16, 24, 3), np.uint8) + np.array([200, 90, 30], np.uint8)
MASK = np.arange(16 * 24, dtype=np.uint8).reshape(16, 24)
INSTANCES = 1000 + MASK.astype(np.uint16)


@pytest.mark.parametrize("encoding", ["raw", "png", "jpeg"])
def test_camera_and_labels_of_one_stamp(tmp_path, encoding) -> None:
    path = tmp_path / "bag"
    with DriveRecorder(path, BagFormat("mcap", "chunk", encoding), CAMVID, has_instances=True) as recorder:
        recorder.add(1_500_000_000, RGB, MASK, INSTANCES)
        recorder.add(2_500_000_000, RGB, None, None)
    with Bag(path) as bag:
        first, second = bag_images(path, bag.messages([recorder.camera_topic]))
        (mask,) = bag_images(path, bag.messages([recorder.label_topic]), LABEL_DECODERS)
        (instances,) = bag_images(path, bag.messages([recorder.instance_topic]), LABEL_DECODERS)
        counts = {topic.name: topic.count for topic in bag.topics}
    assert (first.stamp_ns, second.stamp_ns, mask.stamp_ns, instances.stamp_ns) == (
        1_500_000_000,
        2_500_000_000,
        1_500_000_000,
        1_500_000_000,
    )
    assert np.abs(first.read().astype(int) - RGB).max() <= (4 if encoding == "jpeg" else 0)
    np.testing.assert_array_equal(mask.read(), MASK)
    np.testing.assert_array_equal(instances.read(), INSTANCES)
    assert counts["/camera/camera_info"] == 2
    assert counts["/labels/label_info"] == 1


def test_calibration_precedes_its_image(tmp_path) -> None:
    """A reader that goes through the bag in its order knows the calibration when the image comes."""
    with DriveRecorder(tmp_path / "bag", BagFormat("mcap"), None, has_instances=False) as recorder:
        recorder.add(5, RGB, None, None)
    with Reader(tmp_path / "bag") as reader:
        assert [connection.topic for connection, _, _ in reader.messages()] == [
            "/camera/camera_info",
            recorder.camera_topic,
        ]


def test_class_names_are_recorded(tmp_path) -> None:
    with DriveRecorder(tmp_path / "bag", BagFormat("sqlite3"), CAMVID, has_instances=False) as recorder:
        recorder.add(5, RGB, MASK, None)
    with Reader(tmp_path / "bag") as reader:
        ((_, _, data),) = ((c, t, d) for c, t, d in reader.messages() if c.topic == "/labels/label_info")
    info = message_types().deserialize_cdr(data, "vision_msgs/msg/LabelInfo")
    names = {entry.class_id: entry.class_name for entry in info.class_map}
    assert (len(names), names[0], names[10], names[255]) == (12, "sky", "bicyclist", "unlabeled")


def test_a_camera_without_labels_has_no_label_topics(tmp_path) -> None:
    with DriveRecorder(tmp_path / "bag", BagFormat(), None, has_instances=False) as recorder:
        recorder.add(5, RGB, None, None)
    with Bag(tmp_path / "bag") as bag:
        assert [topic.name for topic in bag.topics] == ["/camera/camera_info", "/camera/image_raw"]
