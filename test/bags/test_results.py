"""A copy of a bag with results holds the source and every output of the node with its image's stamp."""

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import Writer as McapWriter
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bisenetformer_ros.bags.images import bag_images
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.bags.results import AnnotatedBag
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.results import Segment, SegmentationResult

LABELS = LabelMap.load("camvid11")
RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
RESULT = SegmentationResult(
    label_map=np.arange(48, dtype=np.uint8).reshape(6, 8) % 11,
    confidence=np.arange(48, dtype=np.uint8).reshape(6, 8),
    panoptic_map=np.ones((6, 8), np.uint16),
    segments=(Segment(1, LABELS.thing_ids[0], "car", True, 0.5, 48, (0, 0, 8, 6), (3.5, 2.5)),),
)
TIMES_MS = {"decode": 1.0, "preprocess": 2.0, "inference": 3.0, "postprocess": 4.0}


def annotate(
    source: Path, output: Path, task: str = "panoptic", results: Iterable[SegmentationResult] = repeat(RESULT)
) -> list[str]:
    """Adds one of `results` to every image of /camera/image_raw; returns what was left out."""
    next_result = iter(results).__next__
    with Bag(source) as bag, AnnotatedBag(output, bag, "/camera/image_raw", LABELS, task) as annotated:
        for message in bag.messages():
            annotated.copy(message)
            if message.topic == "/camera/image_raw":
                (image,) = bag_images(source, [message])
                annotated.add(image, RGB, next_result(), TIMES_MS)
        return annotated.left_out


def read(bag: Path) -> dict[str, list[tuple[int, Any]]]:
    """topic → (time of recording, message), by Foxglove's library, by nothing but the definitions in the file."""
    messages: dict[str, list[tuple[int, Any]]] = {}
    with open(bag / f"{bag.name}.mcap", "rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        for _, channel, record, message in reader.iter_decoded_messages():
            messages.setdefault(channel.topic, []).append((record.log_time, message))
    return messages


@pytest.fixture
def camera_info(header, store):
    def make(number: int):
        region = store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, do_rectify=False)
        matrices = np.zeros(5), np.arange(9.0), np.zeros(9), np.zeros(12)
        return store.types["sensor_msgs/msg/CameraInfo"](header(number), 6, 8, "plumb_bob", *matrices, 0, 0, region)

    return make


def test_every_output_is_added_under_the_stamp_and_time_of_its_image(write_bag, image, camera_info, tmp_path) -> None:
    images = [image(number, RGB) for number in range(3)]
    source = write_bag(
        {"/camera/camera_info": [camera_info(0)], "/camera/image_raw": images},
        StoragePlugin.SQLITE3,
        CompressionMode.FILE,
    )
    assert annotate(source, tmp_path / "out") == []
    messages = read(tmp_path / "out")
    outputs = {topic.removeprefix("/bisenetformer/"): of_topic for topic, of_topic in messages.items()}
    latched = {"label_info", "label_map"}
    per_frame = {"mask", "confidence", "color_mask", "overlay", "panoptic", "segments", "detections", "latency"}
    assert set(outputs) == per_frame | latched | {"camera_info", "/camera/image_raw", "/camera/camera_info"}
    for topic in (*per_frame, "camera_info"):
        assert len(outputs[topic]) == 3
        for (sent_ns, sent), (got_ns, got) in zip(messages["/camera/image_raw"], outputs[topic], strict=True):
            assert (got.header.stamp.sec, got.header.stamp.nanosec) == (
                sent.header.stamp.sec,
                sent.header.stamp.nanosec,
            )
            assert (got.header.frame_id, got_ns) == ("front", sent_ns)
    assert [len(outputs[topic]) for topic in latched] == [1, 1]
    _, mask = outputs["mask"][0]
    assert (mask.encoding, mask.height, mask.width) == ("mono8", 6, 8)
    np.testing.assert_array_equal(np.frombuffer(mask.data, np.uint8).reshape(6, 8), RESULT.label_map)
    assert outputs["segments"][0][1].segments[0].class_name == "car"
    assert list(outputs["camera_info"][2][1].k) == list(range(9))
    assert outputs["latency"][0][1].total_ms == 10.0


def test_things_keep_their_ids_as_they_do_in_the_node(write_bag, image, tmp_path) -> None:
    def with_id(id_: int) -> SegmentationResult:
        segments = tuple(replace(segment, id=id_) for segment in RESULT.segments)
        return replace(RESULT, panoptic_map=id_ * RESULT.panoptic_map, segments=segments)

    results = iter([with_id(2), with_id(5), with_id(4)])
    source = write_bag({"/camera/image_raw": [image(number, RGB) for number in range(3)]})
    annotate(source, tmp_path / "out", results=results)
    messages = read(tmp_path / "out")
    maps = [np.frombuffer(message.data, np.uint16) for _, message in messages["/bisenetformer/panoptic"]]
    assert [set(ids.tolist()) for ids in maps] == [{1}] * 3
    assert [message.segments[0].id for _, message in messages["/bisenetformer/segments"]] == [1] * 3
    assert [message.detections[0].id for _, message in messages["/bisenetformer/detections"]] == ["1"] * 3


def test_the_semantic_task_adds_no_segments(write_bag, image, tmp_path) -> None:
    semantic = replace(RESULT, panoptic_map=None, segments=())
    annotate(write_bag({"/camera/image_raw": [image(0, RGB)]}), tmp_path / "out", "semantic", [semantic])
    assert {"/bisenetformer/panoptic", "/bisenetformer/segments", "/bisenetformer/detections"}.isdisjoint(
        read(tmp_path / "out")
    )


def test_results_of_an_earlier_run_are_replaced(write_bag, image, tmp_path) -> None:
    old = np.full((6, 8), 77, np.uint8)
    source = write_bag({"/camera/image_raw": [image(0, RGB)], "/bisenetformer/mask": [image(0, old)]})
    annotate(source, tmp_path / "out")
    ((_, mask),) = read(tmp_path / "out")["/bisenetformer/mask"]
    np.testing.assert_array_equal(np.frombuffer(mask.data, np.uint8).reshape(6, 8), RESULT.label_map)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_unknown_types_are_copied_with_their_definition(image, tmp_path, storage) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg("std_msgs/Header header\nfloat64 torque  # Nm", "arm_msgs/msg/Joint"))
    with Writer(tmp_path / "drive", version=8, storage_plugin=storage) as writer:
        camera = writer.add_connection("/camera/image_raw", "sensor_msgs/msg/Image", typestore=store)
        joint = writer.add_connection("/joint", "arm_msgs/msg/Joint", typestore=store)
        message = image(0, RGB)
        writer.write(camera, 1, store.serialize_cdr(message, message.__msgtype__))
        state = store.types["arm_msgs/msg/Joint"](message.header, 2.5)
        writer.write(joint, 2, store.serialize_cdr(state, state.__msgtype__))
    assert annotate(tmp_path / "drive", tmp_path / "out") == []
    ((_, copy),) = read(tmp_path / "out")["/joint"]
    assert copy.torque == 2.5


def test_types_without_a_definition_are_skipped_and_reported(write_bag, image, header, tmp_path) -> None:
    source = write_bag({"/camera/image_raw": [image(0, RGB)], "/joint": [header(0)]}, StoragePlugin.SQLITE3)
    with sqlite3.connect(source / "drive.db3") as database:  # as ROS 2 Humble records: no definitions
        database.execute("UPDATE topics SET type = 'arm_msgs/msg/Joint' WHERE name = '/joint'")
        database.execute("DELETE FROM message_definitions")
    metadata = (source / "metadata.yaml").read_text()
    (source / "metadata.yaml").write_text(metadata.replace("std_msgs/msg/Header", "arm_msgs/msg/Joint"))
    assert annotate(source, tmp_path / "out") == ["/joint (arm_msgs/msg/Joint)"]
    assert "/camera/image_raw" in read(tmp_path / "out")


def write_mcap(path: Path, images: list[bytes], others: dict[str, tuple[str, str, str, bytes]]) -> None:
    """images: CDR; others: topic → schema name, its format, serialization, definition."""
    definition = get_typestore(Stores.ROS2_HUMBLE).generate_msgdef("sensor_msgs/msg/Image", ros_version=2)[0]
    with open(path, "wb") as stream:
        writer = McapWriter(stream)
        writer.start(profile="ros2")
        schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", definition.encode())
        camera = writer.register_channel("/camera/image_raw", "cdr", schema)
        for number, data in enumerate(images):
            writer.add_message(camera, number, data, publish_time=number)
        for topic, (name, form, encoding, text) in others.items():
            schema = writer.register_schema(name, form, text)
            channel = writer.register_channel(topic, encoding, schema)
            writer.add_message(channel, 0, b"\0\1\0\0\7\0\0\0", publish_time=0)
        writer.finish()


IDL = b"module a_msgs { module msg { struct B { int32 x; }; }; };\n"
HEADING = b"=" * 80 + b"\nIDL: a_msgs/msg/B\n"


def test_topics_that_cannot_be_copied_are_left_out_and_named(image, store, tmp_path) -> None:
    others = {
        "/broken_idl": ("a_msgs/msg/A", "ros2idl", "cdr", b"module {"),
        "/broken_msg": ("a_msgs/msg/D", "ros2msg", "cdr", b"int99 \xff ?"),
        "/idl": ("a_msgs/msg/B", "ros2idl", "cdr", HEADING + IDL),
        "/json": ("Note", "jsonschema", "json", b"{}"),
        "/unknown": ("a_msgs/msg/C", "unknown", "cdr", b""),
        "/known": ("std_msgs/msg/UInt32", "unknown", "cdr", b""),
    }
    images = [bytes(store.serialize_cdr(image(0, RGB), "sensor_msgs/msg/Image"))]
    write_mcap(tmp_path / "drive.mcap", images, others)
    assert annotate(tmp_path / "drive.mcap", tmp_path / "out") == [
        "/broken_idl (a_msgs/msg/A)",
        "/broken_msg (a_msgs/msg/D)",
        "/json (Note (json))",
        "/unknown (a_msgs/msg/C)",
    ]
    with Bag(tmp_path / "out") as bag:
        copied = {connection.topic: connection for connection in bag.connections}
        assert [message.data[4] for message in bag.messages(["/idl", "/known"])] == [7, 7]
    assert copied["/idl"].definition == ("ros2idl", (HEADING + IDL).decode())
    assert "/camera/image_raw" in copied
    assert {"/broken_idl", "/broken_msg", "/json", "/unknown"}.isdisjoint(copied)


def test_damaged_camera_info_is_copied_and_not_republished(image, store, tmp_path) -> None:
    others = {"/camera/camera_info": ("sensor_msgs/msg/CameraInfo", "unknown", "cdr", b"")}
    write_mcap(tmp_path / "drive.mcap", [bytes(store.serialize_cdr(image(0, RGB), "sensor_msgs/msg/Image"))], others)
    assert annotate(tmp_path / "drive.mcap", tmp_path / "out") == []
    with Bag(tmp_path / "out") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert (counts["/camera/camera_info"], counts["/bisenetformer/camera_info"]) == (1, 0)


def test_a_failure_while_topics_are_added_leaves_nothing(write_bag, image, tmp_path, monkeypatch) -> None:
    source = write_bag({"/camera/image_raw": [image(0, RGB)]})
    monkeypatch.setattr(BagWriter, "copy_topic", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        annotate(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["drive"]
