"""Bags of other writers, damaged bags, and their error messages."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import CompressionType, IndexType, Writer
from mcap_ros2._dynamic import serialize_dynamic
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from bisenetformer_ros.bags.images import IMAGE_DECODERS, bag_images
from bisenetformer_ros.bags.reader import Bag, is_bag
from bisenetformer_ros.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (20, 40, 60, 3), np.uint8)
"""Incompressible, so that truncation at any fraction cuts into the images."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LISTED = (
    r"  /camera   sensor_msgs/msg/Image  20 messages\n"
    r"  /chatter  std_msgs/msg/Header     1 message$"
)


@pytest.fixture
def drive(write_bag, image, header) -> Callable[..., Path]:
    """A bag of NOISE, and another topic."""
    return lambda *form: write_bag(
        {"/camera": [image(*entry) for entry in enumerate(NOISE)], "/chatter": [header(0)]}, *form
    )


def data_file(bag: Path) -> Path:
    (file,) = (file for file in bag.iterdir() if file.name != "metadata.yaml")
    return file


def read_all(path: Path) -> int:
    with Bag(path) as bag:
        return sum(1 for _ in bag.messages())


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
def test_a_file_of_another_writer_is_read(tmp_path: Path, compression) -> None:
    path = tmp_path / "foreign.mcap"
    with open(path, "wb") as stream:
        write_foreign(Writer(stream, compression=compression))
    check_foreign(path)


def test_a_file_without_chunks_and_index_is_read(tmp_path: Path) -> None:
    path = tmp_path / "foreign.mcap"  # as rosbag2's preset `fastwrite` writes it
    with open(path, "wb") as stream:
        write_foreign(Writer(stream, use_chunking=False, index_types=IndexType.NONE, use_summary_offsets=False))
    check_foreign(path)


def write_foreign(writer: Writer, kind: str = "sensor_msgs/msg/Image") -> None:
    """NOISE as rgb8 at 20 Hz, by Foxglove's libraries."""
    definition = "\n".join(
        [
            "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step",
            "uint8[] data",
            "=" * 80,
            "MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id",
            "=" * 80,
            "MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec",
        ]
    )
    serialize = serialize_dynamic(kind, definition)[kind]
    writer.start(profile="ros2", library="")
    schema = writer.register_schema(kind, "ros2msg", definition.encode())
    channel = writer.register_channel("/front/image", "cdr", schema)
    for number, picture in enumerate(NOISE):
        stamp_ns = number * 50_000_000 + 1
        height, width = picture.shape[:2]
        header = {"stamp": {"sec": stamp_ns // 10**9, "nanosec": stamp_ns % 10**9}, "frame_id": "front"}
        fields = {"header": header, "height": height, "width": width, "encoding": "rgb8", "is_bigendian": 0}
        data = serialize(fields | {"step": 3 * width, "data": picture.tobytes()})
        writer.add_message(channel, stamp_ns, data, publish_time=stamp_ns)
    writer.finish()


def check_foreign(path: Path) -> None:
    with Bag(path) as bag:
        assert [(topic.name, topic.type, topic.count) for topic in bag.topics] == [
            ("/front/image", "sensor_msgs/msg/Image", 20)
        ]
        images = list(bag_images(path, bag.messages(["/front/image"])))
    assert [image.stamp_ns for image in images] == [number * 50_000_000 + 1 for number in range(20)]
    np.testing.assert_array_equal([image.read() for image in images], NOISE)


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        (StoragePlugin.MCAP, CompressionMode.NONE),
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_the_error_for_a_truncated_bag_lists_its_metadata(drive, storage, compression, share) -> None:
    bag = drive(storage, compression)
    assert read_all(bag) == 21
    os.truncate(data_file(bag), int(share * data_file(bag).stat().st_size))
    with pytest.raises(InputError, match=rf"drive: the bag cannot be read.*Its metadata\.yaml lists:\n{LISTED}"):
        read_all(bag)


@pytest.mark.parametrize("compression", [CompressionMode.NONE, CompressionMode.STORAGE])
@pytest.mark.parametrize("share", [0.4, 0.8])
def test_the_error_for_a_truncated_mcap_lists_the_topics_before_the_damage(
    write_bag, image, compression, share
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 200, 300, 3), np.uint8)  # several chunks
    file = data_file(write_bag({"/camera": list(map(image, range(20), pictures))}, StoragePlugin.MCAP, compression))
    os.truncate(file, int(share * file.stat().st_size))
    with pytest.raises(
        InputError, match=r"Readable before the damage:\n  /camera +sensor_msgs/msg/Image +(\d+)"
    ) as refusal:
        read_all(file)
    count = int(str(refusal.value).rsplit("sensor_msgs/msg/Image", 1)[1].split()[0])
    assert 0 < count < 20


def test_the_error_for_a_truncated_database_lists_the_readable_topics(drive) -> None:
    file = data_file(drive(StoragePlugin.SQLITE3))
    os.truncate(file, int(0.5 * file.stat().st_size))
    with pytest.raises(
        InputError, match=r"The readable part holds:\n  /camera +sensor_msgs/msg/Image +(\d+|\?) messages"
    ):
        read_all(file)
    os.truncate(file, 100)
    with pytest.raises(InputError, match=r"drive\.db3: the bag cannot be read.*No part of it is readable\."):
        read_all(file)


@pytest.mark.parametrize("column", ["name", "type"])
def test_a_database_with_values_of_another_type_is_read_or_rejected(drive, column) -> None:
    file = data_file(drive(StoragePlugin.SQLITE3))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"UPDATE topics SET {column} = x'00ff'")
    with Bag(file) as bag:
        assert r"b'\x00\xff'" in (bag.topics[0].name, bag.topics[0].type)
    os.truncate(file, int(0.5 * file.stat().st_size))
    with pytest.raises(InputError, match=r"The readable part holds:\n  .*b'"):
        read_all(file)


def test_the_error_for_damage_in_the_middle_tells_its_position(drive) -> None:
    bag = drive(StoragePlugin.MCAP, CompressionMode.MESSAGE)
    data = data_file(bag).read_bytes()
    position = data.find(ZSTD_MAGIC, len(data) // 2)  # where a compressed message begins
    data_file(bag).write_bytes(data[: position + 4] + b"\xff" * 20 + data[position + 24 :])
    with pytest.raises(InputError, match=rf"the bag cannot be read after \d+ messages: .*\n{LISTED}"):
        read_all(bag)


def test_damaged_metadata_is_rejected(drive) -> None:
    bag = drive()
    for content in ("nonsense: true", "{", "rosbag2_bagfile_information: 3"):
        (bag / "metadata.yaml").write_text(content)
        with pytest.raises(
            InputError, match=r"(?s)drive: the bag cannot be read: .*Its metadata\.yaml cannot be read\."
        ):
            Bag(bag)


def test_the_error_for_missing_metadata_names_the_readable_files(drive) -> None:
    bag = drive()
    (bag / "metadata.yaml").unlink()
    with pytest.raises(InputError, match=r"no metadata\.yaml: read one of its files alone \(drive\.mcap\)"):
        Bag(bag)
    assert read_all(bag / "drive.mcap") == 21


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing.mcap", "no such file"),
        ("missing", "not a rosbag2; expected a directory"),
        ("film.mp4", "not a rosbag2"),
    ],
)
def test_other_files_are_rejected(tmp_path: Path, name, problem) -> None:
    with pytest.raises(InputError, match=f"{name}: {problem}"):
        Bag(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert not is_bag(tmp_path / "empty")
    with pytest.raises(InputError, match=r"empty: the directory has no metadata\.yaml: not a bag"):
        Bag(tmp_path / "empty")


def test_the_error_for_a_wrong_topic_lists_all_topics(drive) -> None:
    with Bag(drive()) as bag:
        assert bag.find("/camera", IMAGE_DECODERS, "--image-topic").count == 20
        with pytest.raises(InputError, match=rf"there is no topic /rear \(--image-topic\)\. The bag holds:\n{LISTED}"):
            bag.find("/rear", IMAGE_DECODERS, "--image-topic")
        with pytest.raises(InputError, match=rf"/chatter is of type std_msgs/msg/Header, expected .*\n{LISTED}"):
            bag.find("/chatter", IMAGE_DECODERS, "--image-topic")


def test_messages_are_read_by_time(drive) -> None:
    for storage in (StoragePlugin.MCAP, StoragePlugin.SQLITE3):
        bag = drive(storage, CompressionMode.NONE, storage.name)
        with Bag(bag) as opened:
            time_ns = list(opened.messages(["/camera"]))[13].time_ns
            (message,) = opened.messages(["/camera"], at_ns=time_ns)
            (image,) = bag_images(bag, [message])
            np.testing.assert_array_equal(image.read(), NOISE[13])


def test_type_names_without_msg_are_read(tmp_path: Path) -> None:
    path = tmp_path / "foreign.mcap"  # as some converters write them
    with open(path, "wb") as stream:
        write_foreign(Writer(stream), kind="sensor_msgs/Image")
    check_foreign(path)


def test_a_file_of_compressed_messages_is_read_without_metadata(drive) -> None:
    bag = drive(StoragePlugin.MCAP, CompressionMode.MESSAGE)
    with Bag(data_file(bag)) as alone:
        images = list(bag_images(bag, alone.messages(["/camera"])))
    np.testing.assert_array_equal([image.read() for image in images], NOISE)
