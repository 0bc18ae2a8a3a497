"""Bags written in every format are read back by other readers."""

import resource
from pathlib import Path

import pytest
from mcap.reader import make_reader
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader

from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.message_types import messages as result_messages
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.labels import LabelMap

FORMS = [("mcap", "none"), ("mcap", "chunk"), ("mcap", "message"), ("mcap", "file")]
FORMS += [("sqlite3", "none"), ("sqlite3", "message"), ("sqlite3", "file")]


def write(path: Path, storage: str = "mcap", compression: str = "none") -> None:
    with BagWriter(path, storage, compression) as writer:
        writer.add_topic("/labels/label_info", "vision_msgs/msg/LabelInfo", latched=True)
        writer.add_topic("/header", "std_msgs/msg/Header")
        info = result_messages.label_info(result_messages.header(5), LabelMap.load("camvid11"))
        writer.write("/labels/label_info", 7, info)
        for number in range(3):
            writer.write("/header", 10 + number, result_messages.header(number, "camera"))


@pytest.mark.parametrize(("storage", "compression"), FORMS)
def test_every_format_holds_the_messages_and_their_definitions(tmp_path: Path, storage, compression) -> None:
    write(tmp_path / "bag", storage, compression)
    with Reader(tmp_path / "bag") as reader:
        received = [(c.topic, time_ns, bytes(data)) for c, time_ns, data in reader.messages()]
        connections = {connection.topic: connection for connection in reader.connections}
    assert [(topic, time_ns) for topic, time_ns, _ in received] == [("/labels/label_info", 7)] + [
        ("/header", 10 + number) for number in range(3)
    ]
    header = message_types().deserialize_cdr(received[3][2], "std_msgs/msg/Header")
    assert (header.stamp.nanosec, header.frame_id) == (2, "camera")
    (qos,) = connections["/labels/label_info"].ext.offered_qos_profiles
    assert qos.durability == QosDurability.TRANSIENT_LOCAL
    assert "VisionClass" in connections["/labels/label_info"].msgdef.data
    (file,) = (file.name for file in (tmp_path / "bag").iterdir() if file.name != "metadata.yaml")
    assert file == f"bag.{'db3' if storage == 'sqlite3' else 'mcap'}{'.zstd' if compression == 'file' else ''}"


def test_another_reader_finds_the_definition_of_our_types(tmp_path: Path) -> None:
    write(tmp_path / "bag", "mcap", "chunk")
    with open(tmp_path / "bag" / "bag.mcap", "rb") as stream:
        reader = make_reader(stream)
        schemas = {schema.name: schema for schema, _, _ in reader.iter_messages()}
    assert schemas["vision_msgs/msg/LabelInfo"].encoding == "ros2msg"
    assert b"uint16 class_id" in schemas["vision_msgs/msg/LabelInfo"].data


def test_an_error_leaves_no_partial_bag(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="in the middle"), BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/header", "std_msgs/msg/Header")
        raise RuntimeError("in the middle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [0, 100, 500])
@pytest.mark.parametrize(("storage", "compression"), FORMS)
def test_a_full_disk_leaves_no_partial_bag(tmp_path: Path, storage, compression, room) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))  # of any file no more bytes can be written
    try:
        with pytest.raises(OSError, match=r"File too large|could not be written"):
            write(tmp_path / "bag", storage, compression)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_no_partial_bag(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="the bag could not be written"):  # noqa: SIM117 - the bag is what fails
            with BagWriter(tmp_path / "bag", "sqlite3") as writer:
                writer.add_topic("/header", "std_msgs/msg/Header")
                for number in range(100):
                    writer.write("/header", number, result_messages.header(number, "camera" * 1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_nothing_that_blocks_the_next_try(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/header", "std_msgs/msg/Header")
        assert not (tmp_path / "bag").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]


def test_existing_paths_and_invalid_formats_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(InputError, match="bag already exists"):
        BagWriter(tmp_path / "bag")
    with pytest.raises(ConfigError, match="sqlite3 has no chunk compression"):
        BagWriter(tmp_path / "other", "sqlite3", "chunk")


def test_a_bag_that_was_written_meanwhile_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "other", "sqlite3", "none")
    with pytest.raises(InputError, match="bag was written by another process meanwhile"), BagWriter(tmp_path / "bag"):
        (tmp_path / "other").rename(tmp_path / "bag")
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]
    assert sorted(path.suffix for path in (tmp_path / "bag").iterdir()) == [".db3", ".yaml"]


@pytest.mark.parametrize(("storage", "compression"), [("mcap", "none"), ("sqlite3", "none")])
def test_topics_are_copied_unchanged(tmp_path: Path, storage, compression) -> None:
    write(tmp_path / "first", storage, compression)
    with Bag(tmp_path / "first") as first, BagWriter(tmp_path / "second") as second:
        assert all(second.copy_topic(connection) for connection in first.connections)
        for message in first.messages():
            second.copy(message)
    with Reader(tmp_path / "first") as first, Reader(tmp_path / "second") as second:
        copies = [(c.topic, c.msgtype, c.digest, c.ext, time, data) for c, time, data in second.messages()]
        assert copies == [(c.topic, c.msgtype, c.digest, c.ext, time, data) for c, time, data in first.messages()]
