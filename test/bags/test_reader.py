"""Bags of other writers, damaged bags, and their error messages."""

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from mcap.writer import CompressionType, IndexType, Writer
from mcap_ros2._dynamic import serialize_dynamic
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from bisenetformer_ros.bags import topics
from bisenetformer_ros.bags.images import IMAGE_DECODERS, bag_images, choose_image_topic
from bisenetformer_ros.bags.reader import Bag, is_bag
from bisenetformer_ros.bags.topics import surviving_topics
from bisenetformer_ros.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (20, 40, 60, 3), np.uint8)
"""Incompressible, so that truncation at any fraction cuts into the images."""

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
DEFINITION = "\n".join(
    [
        "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step",
        "uint8[] data",
        "=" * 80,
        "MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id",
        "=" * 80,
        "MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec",
    ]
)
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


def write_foreign(writer: Writer, kind: str = "sensor_msgs/msg/Image", profile: str = "ros2") -> None:
    """NOISE as rgb8 at 20 Hz, by Foxglove's libraries."""
    writer.start(profile=profile, library="")
    write_images(writer, kind)
    writer.finish()


def write_images(writer: Writer, kind: str = "sensor_msgs/msg/Image") -> None:
    serialize = serialize_dynamic(kind, DEFINITION)[kind]
    schema = writer.register_schema(kind, "ros2msg", DEFINITION.encode())
    channel = writer.register_channel("/front/image", "cdr", schema)
    for number, picture in enumerate(NOISE):
        stamp_ns = number * 50_000_000 + 1
        height, width = picture.shape[:2]
        header = {"stamp": {"sec": stamp_ns // 10**9, "nanosec": stamp_ns % 10**9}, "frame_id": "front"}
        fields = {"header": header, "height": height, "width": width, "encoding": "rgb8", "is_bigendian": 0}
        data = serialize(fields | {"step": 3 * width, "data": picture.tobytes()})
        writer.add_message(channel, stamp_ns, data, publish_time=stamp_ns)


def check_foreign(path: Path) -> None:
    with Bag(path) as bag:
        assert [(topic.name, topic.type, topic.count) for topic in bag.topics] == [
            ("/front/image", "sensor_msgs/msg/Image", 20)
        ]
        images = list(bag_images(path, bag.messages(["/front/image"])))
    assert [image.stamp_ns for image in images] == [number * 50_000_000 + 1 for number in range(20)]
    np.testing.assert_array_equal([image.read() for image in images], NOISE)


def test_a_file_without_the_profile_of_ros_is_read(tmp_path: Path) -> None:
    path = tmp_path / "merged.mcap"
    with open(path, "wb") as stream:
        write_foreign(Writer(stream), profile="")
    check_foreign(path)


FOREIGN_CHANNELS = {
    "/unresolved": ("RealsenseMetadata", "unknown", "cdr", {}),  # as rosbag2 writes types that it cannot find
    "/protobuf": ("foxglove.RawImage", "protobuf", "protobuf", {}),
    "/json": ("Note", "jsonschema", "json", {}),
    "/schemaless": (None, "", "json", {}),
    "/ros1": ("sensor_msgs/Image", "ros1msg", "ros1", {}),
    "/binary_schema": ("a_msgs/msg/B", "ros2msg", "cdr", {"offered_qos_profiles": "{"}),
    "/other_qos": ("a_msgs/msg/C", "ros2idl", "cdr", {"offered_qos_profiles": "- {history: 3}"}),
}


def test_topics_that_are_not_asked_for_are_not_examined(tmp_path: Path) -> None:
    path = tmp_path / "merged.mcap"
    with open(path, "wb") as stream:
        writer = Writer(stream)
        writer.start(profile="", library="")
        for topic, (schema, form, encoding, metadata) in FOREIGN_CHANNELS.items():
            schema_id = 0 if schema is None else writer.register_schema(schema, form, b"\xff\x00")
            channel = writer.register_channel(topic, encoding, schema_id, metadata)
            writer.add_message(channel, 3, b"?", publish_time=3)
        write_images(writer)
        writer.finish()
    with Bag(path) as bag:
        assert choose_image_topic(bag, None, "--topic").name == "/front/image"
        images = list(bag_images(path, bag.messages(["/front/image"])))
        assert len(list(bag.messages())) == 20 + len(FOREIGN_CHANNELS)
        assert bag.notes == []
        with pytest.raises(InputError, match=r"/ros1 is of type sensor_msgs/Image \(ros1\), expected sensor_msgs/msg/"):
            bag.find("/ros1", IMAGE_DECODERS, "--topic")
        with pytest.raises(InputError, match=r"\n  /schemaless     without schema \(json\)          1 message\n"):
            bag.find("/absent", IMAGE_DECODERS, "--topic")
    np.testing.assert_array_equal([image.read() for image in images], NOISE)


def test_a_database_with_an_unknown_definition_is_read(drive) -> None:
    bag = drive(StoragePlugin.SQLITE3)
    with sqlite3.connect(data_file(bag)) as database:
        database.execute("UPDATE message_definitions SET encoding = 'unknown' WHERE topic_type = 'std_msgs/msg/Header'")
        database.execute("UPDATE topics SET offered_qos_profiles = '{', serialization_format = 'json' WHERE id = 2")
    assert read_all(bag) == 21
    with Bag(bag) as opened:
        assert [topic.type for topic in opened.topics] == ["sensor_msgs/msg/Image", "std_msgs/msg/Header (json)"]


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_metadata_that_differs_from_the_file_is_no_obstacle(drive, storage) -> None:
    bag = drive(storage)
    content = yaml.safe_load((bag / "metadata.yaml").read_text())
    information = content["rosbag2_bagfile_information"]
    camera, chatter = (topic["topic_metadata"] for topic in information["topics_with_message_count"])
    camera["offered_qos_profiles"] = [{"history": "keep_last", "depth": 1, "reliability": "best_effort"}]
    camera["type_description_hash"] = "RIHS01_0"
    chatter["serialization_format"] = "json"
    information |= {"storage_identifier": "", "version": 10}
    (bag / "metadata.yaml").write_text(yaml.safe_dump(content))
    assert read_all(bag) == 21
    with Bag(bag) as opened:
        assert opened.find("/camera", IMAGE_DECODERS, "--topic").count == 20
        assert opened.notes == []


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
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7])
def test_the_error_for_a_truncated_bag_lists_its_metadata(drive, storage, compression, share) -> None:
    bag = drive(storage, compression)
    assert read_all(bag) == 21
    os.truncate(data_file(bag), int(share * data_file(bag).stat().st_size))
    with pytest.raises(InputError, match=rf"drive: the bag cannot be read.*Its metadata\.yaml lists:\n{LISTED}"):
        read_all(bag)


@pytest.mark.parametrize("compression", [CompressionMode.NONE, CompressionMode.FILE])
def test_the_error_for_a_database_without_its_end_lists_its_topics(drive, compression) -> None:
    bag = drive(StoragePlugin.SQLITE3, compression)
    os.truncate(data_file(bag), int(0.999 * data_file(bag).stat().st_size))
    with pytest.raises(InputError, match=rf"drive: the bag cannot be read.*(lists|holds):\n{LISTED}"):
        read_all(bag)


@pytest.mark.parametrize("compression", [CompressionMode.NONE, CompressionMode.STORAGE])
@pytest.mark.parametrize("share", [0.4, 0.8, 0.9999])
@pytest.mark.parametrize("metadata", [True, False])
def test_an_unfinished_mcap_is_read_up_to_its_end(write_bag, image, compression, share, metadata) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 200, 300, 3), np.uint8)  # several chunks
    bag = write_bag({"/camera": list(map(image, range(20), pictures))}, StoragePlugin.MCAP, compression)
    os.truncate(data_file(bag), int(share * data_file(bag).stat().st_size))
    if not metadata:
        (bag / "metadata.yaml").unlink()
    for path in (bag, bag / "drive.mcap"):
        with Bag(path) as opened:
            images = list(bag_images(path, opened.messages(["/camera"])))
            (topic,) = opened.topics
            assert re.search(rf"drive\.mcap is incomplete .*Read {len(images)} mess.*mcap recover", opened.notes[-1])
        assert (len(images) == 20) if share > 0.9 else (0 < len(images) < 20)
        assert topic.count == len(images)
        np.testing.assert_array_equal([image.read() for image in images], pictures[: len(images)])


def test_an_unfinished_mcap_without_chunks_is_read_up_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "foreign.mcap"
    with open(path, "wb") as stream:
        write_foreign(Writer(stream, use_chunking=False, index_types=IndexType.NONE))
    os.truncate(path, path.stat().st_size // 2)
    with Bag(path) as bag:
        images = list(bag_images(path, bag.messages()))
        (again,) = bag.messages(at_ns=images[7].message.time_ns)
    assert 8 < len(images) < 11
    np.testing.assert_array_equal([image.read() for image in images], NOISE[: len(images)])
    assert again == images[7].message


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


@pytest.mark.parametrize("column", ["timestamp", "data"])
def test_messages_of_another_type_are_rejected(drive, column) -> None:
    file = data_file(drive(StoragePlugin.SQLITE3))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(f"UPDATE messages SET {column} = 'text' WHERE id = 3")
    with pytest.raises(InputError, match=r"the bag cannot be read after \d+ messages: expected a time and bytes"):
        read_all(file)


def test_the_error_for_damage_in_the_middle_tells_its_position(drive) -> None:
    bag = drive(StoragePlugin.MCAP, CompressionMode.MESSAGE)
    data = data_file(bag).read_bytes()
    position = data.find(ZSTD_MAGIC, len(data) // 2)  # where a compressed message begins
    data_file(bag).write_bytes(data[: position + 4] + b"\xff" * 20 + data[position + 24 :])
    with pytest.raises(InputError, match=rf"the bag cannot be read after \d+ messages: .*\n{LISTED}"):
        read_all(bag)


@pytest.mark.parametrize("storage", StoragePlugin)
def test_damaged_metadata_is_no_obstacle(drive, storage) -> None:
    bag = drive(storage)
    whole = (bag / "metadata.yaml").read_bytes()
    listed_none = yaml.safe_load(whole)
    listed_none["rosbag2_bagfile_information"]["relative_file_paths"] = []
    for content in ("nonsense: true", "{", "rosbag2_bagfile_information: 3", "\xdf", yaml.safe_dump(listed_none)):
        (bag / "metadata.yaml").write_text(content, encoding="latin-1")
        with Bag(bag) as opened:
            note = rf"{bag} has a damaged metadata.yaml \(\w+\); read its 1 file as one bag"
            assert re.fullmatch(note, opened.notes[0])
            assert sum(1 for _ in opened.messages()) == 21
    for length in range(0, len(whole), len(whole) // 9):
        (bag / "metadata.yaml").write_bytes(whole[:length])
        assert read_all(bag) == 21


def test_renamed_files_are_read(drive) -> None:
    bag = drive()
    data_file(bag).rename(bag / "front.mcap")
    assert read_all(bag) == 21
    with Bag(bag) as opened:
        listed = "lacks files that its metadata.yaml lists: drive.mcap"
        assert opened.notes == [f"{bag} {listed}; read its 1 file as one bag"]


@pytest.mark.parametrize("statement", ["PRAGMA", "SELECT count"])
def test_memory_that_sqlite_lacks_for_a_damaged_file_is_damage(tmp_path, monkeypatch, statement) -> None:
    """SQLite may believe a size in a damaged file."""

    class Database(sqlite3.Connection):
        def execute(self, sql: str, *parameters):
            if sql.startswith(statement):
                raise MemoryError
            return super().execute(sql, *parameters)

    file = tmp_path / "drive.db3"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE topics (id, name, type)")
        database.execute("INSERT INTO topics VALUES (1, '/image', 'sensor_msgs/msg/Image')")
        database.execute("CREATE TABLE messages (topic_id)")
    monkeypatch.setattr(topics.sqlite3, "connect", partial(sqlite3.connect, factory=Database))
    expected = {"PRAGMA": "No part of it is readable.", "SELECT count": "/image"}
    assert expected[statement] in surviving_topics(file)


def test_damaged_metadata_alone_is_no_bag(drive) -> None:
    bag = drive()
    data_file(bag).unlink()
    (bag / "metadata.yaml").write_text("{")
    with pytest.raises(InputError, match=r"(?s)drive: the bag cannot be read: .*Its metadata\.yaml cannot be read\."):
        Bag(bag)


def test_files_that_the_metadata_does_not_list_are_named(drive, write_bag, image) -> None:
    bag = drive()
    data_file(write_bag({"/camera": [image(30, NOISE[0])]}, name="later")).rename(bag / "drive_1.mcap")
    assert read_all(bag) == 21
    with Bag(bag) as opened:
        assert opened.notes == [f"not listed in {bag / 'metadata.yaml'}, not read: drive_1.mcap"]


@pytest.fixture
def recording(drive) -> Iterator[Path]:
    """A database that is being recorded: half of its messages are in the write-ahead log."""
    bag = drive(StoragePlugin.SQLITE3)
    (bag / "metadata.yaml").unlink()
    with closing(sqlite3.connect(bag / "drive.db3")) as recorder:
        recorder.execute("PRAGMA journal_mode = WAL")
        recorder.execute("PRAGMA wal_autocheckpoint = 0")
        recorder.execute("DELETE FROM messages WHERE id % 2")
        recorder.commit()
        recorder.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        recorder.execute("INSERT INTO messages SELECT id + 1000, topic_id, timestamp + 5, data FROM messages")
        recorder.commit()
        yield bag


def test_the_log_of_a_running_recording_is_read(recording, tmp_path) -> None:
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("drive.db3", "drive.db3-wal"):
        shutil.copy(recording / name, crashed)
    for bag in (recording, crashed):
        with Bag(bag) as opened:
            assert "drive.db3-wal is read too). Read 20 messages" in opened.notes[-1]
            assert sum(1 for _ in opened.messages()) == 20  # of 21, those with even ids, twice


def test_a_log_in_a_read_only_folder_is_named(recording) -> None:
    with tempfile.TemporaryDirectory() as folder:  # which another user may enter, unlike those of pytest
        for name in ("drive.db3", "drive.db3-wal"):
            shutil.copy(recording / name, folder)
        os.chmod(folder, 0o555)
        user = os.geteuid()
        os.seteuid(65534 if user == 0 else user)  # root may write anywhere
        try:
            with Bag(Path(folder)) as bag:
                count = sum(1 for _ in bag.messages())
        finally:
            os.seteuid(user)
            os.chmod(folder, 0o755)
    assert "drive.db3-wal cannot be read: " in bag.notes[-1]
    assert count == 10


def test_files_without_metadata_are_read_as_one_bag(drive, write_bag, image) -> None:
    bag = drive()
    (bag / "metadata.yaml").unlink()
    later = write_bag({"/camera": [image(30, NOISE[0])]}, name="later")
    later = data_file(later).rename(bag / "a_later_one.MCAP")
    shift_recording_times(later)
    (bag / "._drive.mcap").write_bytes(b"AppleDouble")
    assert is_bag(bag)
    with Bag(bag) as opened:
        stamps = [read.stamp_ns for read in bag_images(bag, opened.messages(["/camera"]))]
        assert opened.notes == [f"{bag} has no metadata.yaml; read its 2 files as one bag"]
    assert stamps == sorted(stamps)
    assert len(stamps) == 21
    (bag / "a.jpg").write_bytes(b"")
    assert not is_bag(bag)  # rather a folder of images


def shift_recording_times(mcap: Path) -> None:
    """Rewrite the only message of a file as recorded an hour later."""
    with open(mcap, "rb") as stream:
        ((schema, channel, message),) = make_reader(stream).iter_messages()
    with open(mcap, "wb") as stream:
        writer = Writer(stream)
        writer.start()
        schema_id = writer.register_schema(schema.name, schema.encoding, schema.data)
        channel_id = writer.register_channel(channel.topic, channel.message_encoding, schema_id)
        writer.add_message(channel_id, message.log_time + 3600 * 10**9, message.data, message.publish_time)
        writer.finish()


@pytest.mark.parametrize("listed", ["drive_{}.db3", "drive_{}.db3.zstd"])
@pytest.mark.parametrize("metadata", [True, False])
def test_a_split_bag_compressed_by_file_is_read(write_bag, image, listed, metadata) -> None:
    parts = [
        write_bag({"/camera": [image(n, NOISE[n])]}, StoragePlugin.SQLITE3, CompressionMode.FILE, f"part{n}")
        for n in range(3)
    ]
    bag = parts[0].parent / "drive"
    bag.mkdir()
    for number, part in enumerate(parts):
        data_file(part).rename(bag / f"drive_{number}.db3.zstd")
    if metadata:
        content = yaml.safe_load((parts[0] / "metadata.yaml").read_text())
        content["rosbag2_bagfile_information"]["relative_file_paths"] = [f"drive/{listed.format(n)}" for n in range(3)]
        (bag / "metadata.yaml").write_text(yaml.safe_dump(content))
    with Bag(bag) as opened:
        images = [read.read() for read in bag_images(bag, opened.messages(["/camera"]))]
        assert opened.find("/camera", IMAGE_DECODERS, "--topic").count == 3
    np.testing.assert_array_equal(images, NOISE[:3])
    assert read_all((bag / "drive_1.db3.zstd").rename(bag.parent / "PART.DB3.ZSTD")) == 1


@pytest.mark.parametrize("storage", StoragePlugin)
def test_a_missing_part_of_a_split_bag_is_named(drive, storage) -> None:
    bag = drive(storage)
    missing = data_file(bag)
    missing.unlink()
    with pytest.raises(InputError, match=rf"cannot be read: .*No such file.*{missing.name}"):
        Bag(bag)
    assert not missing.exists()


def test_the_error_for_a_bag_of_ros_1_tells_how_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "drive.bag"
    path.write_bytes(b"#ROSBAG V2.0\n")
    assert is_bag(path)
    with pytest.raises(InputError, match=r"a bag of ROS 1\. Convert it: `rosbags-convert --src \S+\.bag --dst \S+`"):
        Bag(path)


def test_an_empty_image_topic_is_no_choice(tmp_path: Path) -> None:
    path = tmp_path / "drive.mcap"
    with open(path, "wb") as stream:
        writer = Writer(stream)
        writer.start(profile="ros2")
        write_images(writer)
        schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", DEFINITION.encode())
        writer.register_channel("/depth", "cdr", schema)
        writer.finish()
    with Bag(path) as bag:
        assert choose_image_topic(bag, None, "--topic").name == "/front/image"
        with pytest.raises(InputError, match="/depth has no messages"):
            choose_image_topic(bag, None, "--topic", others=["/front/image"])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing.mcap", "no such file"),
        ("missing", "no such file or directory"),
        ("film.mp4", "not a rosbag2; expected a directory"),
    ],
)
def test_other_files_are_rejected(tmp_path: Path, name, problem) -> None:
    (tmp_path / "film.mp4").write_bytes(b"film")
    with pytest.raises(InputError, match=f"{name}: {problem}"):
        Bag(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert not is_bag(tmp_path / "empty")
    with pytest.raises(InputError, match=r"empty: the directory is not a bag: it has no metadata\.yaml and no \.mcap"):
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
