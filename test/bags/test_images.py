"""Bags are written with the rosbags library's own messages and read back."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bisenetformer_ros.bags.images import open_bag
from bisenetformer_ros.bags.reader import is_bag
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.ros.camera_source import open_camera_source

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types
STORAGES = [StoragePlugin.MCAP, StoragePlugin.SQLITE3]
PICTURES = [np.full((4, 6, 3), (10 * n, 100, 200), np.uint8) for n in range(3)]


def header() -> object:
    stamp = TYPES["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    return TYPES["std_msgs/msg/Header"](stamp=stamp, frame_id="front")


def raw_image(rgb: np.ndarray) -> object:
    height, width = rgb.shape[:2]
    return TYPES["sensor_msgs/msg/Image"](
        header(), height, width, "bgr8", 0, 3 * width, np.ascontiguousarray(rgb[..., ::-1]).ravel()
    )


def compressed_image(rgb: np.ndarray) -> object:
    encoded = cv2.imencode(".png", rgb[..., ::-1])[1].ravel()
    return TYPES["sensor_msgs/msg/CompressedImage"](header(), "png", encoded)


@pytest.fixture
def write_bag(tmp_path: Path) -> Callable[..., Path]:
    """write_bag(topics, storage) with {topic: messages}; the messages of all topics alternate."""

    def write(topics: dict[str, list], storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
        path = tmp_path / "drive"
        with Writer(path, version=9, storage_plugin=storage) as writer:
            for offset, (topic, messages) in enumerate(topics.items()):
                connection = writer.add_connection(topic, messages[0].__msgtype__, typestore=STORE)
                for number, message in enumerate(messages):
                    data = STORE.serialize_cdr(message, message.__msgtype__)
                    writer.write(connection, 10 * number + offset, data)
        return path

    return write


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("message", [raw_image, compressed_image])
def test_images_come_in_order_and_in_rgb(write_bag, storage, message) -> None:
    bag = write_bag({"/camera": [message(picture) for picture in PICTURES], "/chatter": [header()]}, storage)
    (file,) = (file for file in bag.iterdir() if file.suffix in (".mcap", ".db3"))
    for path in (bag, file):
        assert is_bag(path)
        source = open_camera_source(str(path), topic=None)
        frames = list(source.frames)
        assert source.num_frames == len(frames) == 3
        assert [frame.name[-7:] for frame in frames] == ["_000000", "_000001", "_000002"]
        np.testing.assert_array_equal([frame.read() for frame in frames], PICTURES)


def test_one_of_several_topics_is_chosen(write_bag) -> None:
    bag = write_bag({"/left": [raw_image(PICTURES[0])], "/right": [raw_image(PICTURES[1])]})
    (frame,) = open_bag(bag, "/right").frames
    np.testing.assert_array_equal(frame.read(), PICTURES[1])
    with pytest.raises(InputError, match=r"2 image topics; .*--topic\. The bag holds:\n  /left .*\n  /right "):
        open_bag(bag)
    with pytest.raises(
        InputError, match=r"there is no topic /rear \(--topic\)\. The bag holds:\n  /left .*\n  /right "
    ):
        open_bag(bag, "/rear")


def test_a_bag_without_images_says_what_it_has(write_bag) -> None:
    bag = write_bag({"/chatter": [header()]})
    with pytest.raises(InputError, match=r"no image topics; .*\n  /chatter  std_msgs/msg/Header  1 message"):
        open_bag(bag)


def test_a_damaged_bag_is_refused(write_bag, tmp_path: Path) -> None:
    bag = write_bag({"/camera": [raw_image(PICTURES[0])]})
    (bag / "metadata.yaml").write_text("nonsense: true")
    with pytest.raises(InputError, match=r"drive: the bag cannot be read: A metadata key"):
        open_bag(bag)
    (tmp_path / "lone.mcap").write_bytes(b"not a recording")
    with pytest.raises(
        InputError, match=r"lone\.mcap: the bag cannot be read: File magic is invalid\. Before the damage there are no"
    ):
        open_bag(tmp_path / "lone.mcap")
    assert not is_bag(tmp_path)
