"""Images read from a bag equal those written to it, stamps and pixels."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from bisenetformer_ros.bags.images import LABEL_DECODERS, BagImage, bag_images, choose_image_topic, neighbour, open_bag
from bisenetformer_ros.bags.reader import Bag, BagMessage, is_bag
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.raw import BadFrameError, decode_depth

PICTURES = [np.full((4, 6, 3), (10 * n, 100, 200), np.uint8) for n in range(3)]
FORMATS = [
    (StoragePlugin.MCAP, CompressionMode.NONE),
    (StoragePlugin.MCAP, CompressionMode.STORAGE),
    (StoragePlugin.MCAP, CompressionMode.MESSAGE),
    (StoragePlugin.MCAP, CompressionMode.FILE),
    (StoragePlugin.SQLITE3, CompressionMode.NONE),
    (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
    (StoragePlugin.SQLITE3, CompressionMode.FILE),
]


@pytest.fixture
def compressed(header, store):
    """compressed(number, pixels): a PNG of RGB or of labels."""

    def make(number, pixels):
        file = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].ravel()
        return store.types["sensor_msgs/msg/CompressedImage"](header(number), "png", file)

    return make


@pytest.mark.parametrize(("storage", "compression"), FORMATS)
@pytest.mark.parametrize("kind", ["image", "compressed"])
def test_images_come_in_order_with_stamp_and_in_rgb(write_bag, header, request, storage, compression, kind) -> None:
    make = request.getfixturevalue(kind)
    topics = {"/camera": [make(n, picture) for n, picture in enumerate(PICTURES)], "/chatter": [header(0)]}
    path = write_bag(topics, storage, compression)
    with Bag(path) as bag:
        images = list(bag_images(path, bag.messages(["/camera"])))
    stamps = [1_700_000_000_000_000_000, 1_700_000_000_100_000_000, 1_700_000_000_200_000_000]
    assert [image.stamp_ns for image in images] == stamps
    assert [image.message.time_ns for image in images] == [stamp + 5_000_000 for stamp in stamps]
    assert [image.parse().header.frame_id for image in images] == ["front"] * 3
    np.testing.assert_array_equal([image.read() for image in images], PICTURES)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_the_demo_plays_a_bag_and_a_single_file_of_it(write_bag, image, storage) -> None:
    pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")
    from bisenetformer_ros.ros.replay.camera_player import open_camera_source

    path = write_bag({"/camera": [image(n, picture) for n, picture in enumerate(PICTURES)]}, storage)
    (file,) = (file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    for playable in (path, file):
        assert is_bag(playable)
        source = open_camera_source(str(playable), topic=None)
        frames = list(source.frames)
        assert source.num_frames == len(frames) == 3
        assert [frame.name for frame in frames] == ["drive_000000", "drive_000001", "drive_000002"]
        np.testing.assert_array_equal([frame.read() for frame in frames], PICTURES)


def test_the_flaws_of_a_bag_come_with_its_frames(write_bag, image) -> None:
    path = write_bag({"/camera": [image(n, picture) for n, picture in enumerate(PICTURES)]})
    assert open_bag(path).notes == ()
    (path / "metadata.yaml").unlink()
    assert open_bag(path).notes == (f"{path} has no metadata.yaml; read its 1 file as one bag",)


@pytest.mark.parametrize("kind", ["image", "compressed"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_labels_keep_their_values(write_bag, request, kind, dtype) -> None:
    labels = np.array([[0, 1, 255], [3, np.iinfo(dtype).max, 5]], dtype)
    path = write_bag({"/labels": [request.getfixturevalue(kind)(0, labels)]})
    with Bag(path) as bag:
        (read,) = bag_images(path, bag.messages(), LABEL_DECODERS)
        assert read.read().dtype == dtype
        np.testing.assert_array_equal(read.read(), labels)


def test_one_of_several_topics_is_chosen(write_bag, image) -> None:
    bag = write_bag({"/left": [image(0, PICTURES[0])], "/right": [image(0, PICTURES[1])]})
    (frame,) = open_bag(bag, "/right").frames
    np.testing.assert_array_equal(frame.read(), PICTURES[1])
    with pytest.raises(InputError, match=r"2 image topics; .*--topic\. The bag holds:\n  /left .*\n  /right "):
        open_bag(bag)
    with Bag(bag) as opened:
        assert choose_image_topic(opened, None, "--topic", others=["/left"]).name == "/right"


def test_the_error_for_a_bag_without_images_lists_its_topics(write_bag, header) -> None:
    bag = write_bag({"/chatter": [header(0)]})
    with pytest.raises(InputError, match=r"no image topics; .*\n  /chatter  std_msgs/msg/Header  1 message$"):
        open_bag(bag)


@pytest.mark.parametrize(
    "kind",
    [
        "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
        "foxglove_msgs/msg/CompressedVideo",
        "theora_image_transport/msg/Packet",
    ],
)
@pytest.mark.parametrize("topic", [None, "/camera/image_raw/ffmpeg"])
def test_packets_of_a_video_are_named_with_the_republisher(tmp_path, kind, topic) -> None:
    path = tmp_path / "video.mcap"
    with open(path, "wb") as stream:
        writer = McapWriter(stream)
        writer.start("ros2")
        schema = writer.register_schema(kind, "ros2msg", b"uint8[] data")
        channel = writer.register_channel("/camera/image_raw/ffmpeg", "cdr", schema)
        writer.add_message(channel, 1, b"\0\1\0\0\0\0\0\0", 1)
        writer.finish()
    with pytest.raises(InputError, match=rf"/camera/image_raw/ffmpeg holds packets of a video \({kind}\).*`republish`"):
        open_bag(path, topic)


FOREIGN_WRITERS = {
    "zstd": {"compression": CompressionType.ZSTD},
    "lz4": {"compression": CompressionType.LZ4},
    "no summary": {"use_statistics": False, "use_summary_offsets": False, "index_types": IndexType.NONE},
    "no chunks": {"use_chunking": False, "index_types": IndexType.NONE},
}
MILLIMETERS = np.array([[0, 1, 256], [4000, 40000, 65535]], np.uint16)


def write_rgbd(path: Path, store, header, image, profile: str = "ros2", **options) -> dict[str, np.ndarray]:
    """A colour topic and depth topics by Foxglove's library; returns the expected depth by topic."""
    kind, compressed_kind = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
    meters = np.where(MILLIMETERS == 0, np.nan, MILLIMETERS / np.float32(1000)).astype(np.float32)
    messages, expected = {"/color": (kind, image(0, PICTURES[0]))}, {}
    for encoding, pixels in (("16UC1", MILLIMETERS), ("32FC1", meters)):
        for order, padding in (("<", 0), ("<", 5), (">", 5)):
            rows = [row.astype(pixels.dtype.newbyteorder(order)).tobytes() + b"\xa5" * padding for row in pixels]
            data, step = np.frombuffer(b"".join(rows), np.uint8), len(rows[0])
            fields = header(0), *pixels.shape, encoding, int(order == ">"), step, data
            topic = f"/depth_{encoding}_{padding}_{'big' if order == '>' else 'little'}"
            messages[topic] = kind, store.types[kind](*fields)
            expected[topic] = meters
    png = cv2.imencode(".png", MILLIMETERS)[1].ravel()
    packed = store.types[compressed_kind](
        header(0), "16UC1; compressedDepth png", np.append(np.zeros(12, np.uint8), png)
    )
    messages["/depth/compressedDepth"] = compressed_kind, packed
    with open(path, "wb") as stream:
        writer = McapWriter(stream, **options)
        writer.start(profile)
        for number, (topic, (name, message)) in enumerate(messages.items()):
            schema = writer.register_schema(name, "ros2msg", store.generate_msgdef(name)[0].encode())
            channel = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channel, number, bytes(store.serialize_cdr(message, name)), number)
        writer.finish()
    return expected


@pytest.mark.parametrize("profile", ["ros2", ""])
@pytest.mark.parametrize("options", FOREIGN_WRITERS.values(), ids=FOREIGN_WRITERS)
def test_depth_of_another_writer_is_read(tmp_path, store, header, image, options, profile) -> None:
    """By no command, which need only the colour images beside it."""
    path = tmp_path / "rgbd.mcap"
    expected = write_rgbd(path, store, header, image, profile, **options)
    with Bag(path) as bag:
        assert not bag.notes
        for topic, depth in expected.items():
            (read,) = bag_images(path, bag.messages([topic]))
            np.testing.assert_array_equal(decode_depth(read.parse()), depth)
            with pytest.raises(BadFrameError, match="is a depth image; expected colour or grey"):
                read.read()
        (packed,) = bag_images(path, bag.messages(["/depth/compressedDepth"]))
        with pytest.raises(BadFrameError, match="`republish` from compressedDepth to raw unpacks the depth"):
            packed.read()
    (frame,) = open_bag(path, "/color").frames
    np.testing.assert_array_equal(frame.read(), PICTURES[0])
    with pytest.raises(InputError, match=r"8 image topics; expected one, or its name in --topic"):
        open_bag(path)


@pytest.mark.parametrize("length", [0, 11, 12, 40])
def test_a_truncated_message_is_reported(write_bag, image, length) -> None:
    path = write_bag({"/camera": [image(0, PICTURES[0])]})
    with Bag(path) as bag:
        (whole,) = bag_images(path, bag.messages())
    message = BagMessage(whole.message.connection, 0, whole.message.data[:length])
    with pytest.raises(BadFrameError, match=r"drive_000000: .*sensor_msgs/msg/Image") as refusal:
        BagImage(whole.name, message, whole.decoders).read()
    assert refusal.value.kind == "damaged_message"
    if length < 12:
        with pytest.raises(BadFrameError, match=f"{length} bytes are not a sensor_msgs/msg/Image"):
            _ = BagImage(whole.name, message, whole.decoders).stamp_ns


def test_stamps_of_either_byte_order_are_read(store, image) -> None:
    connection = type("Connection", (), {"topic": "/camera", "msgtype": "sensor_msgs/msg/Image"})
    for little_endian in (True, False):
        data = store.serialize_cdr(image(7, PICTURES[0]), "sensor_msgs/msg/Image", little_endian=little_endian)
        message = BagMessage(connection, 0, bytes(data))
        (read,) = bag_images(Path("drive"), [message])
        assert read.stamp_ns == 1_700_000_000_700_000_000
        np.testing.assert_array_equal(read.read(), PICTURES[0])


def test_neighbours_of_a_topic_have_its_namespace() -> None:
    assert neighbour("/camera/image_raw", "camera_info") == "/camera/camera_info"
    assert neighbour("/camera/image_raw/compressed", "camera_info") == "/camera/camera_info"
    assert neighbour("/image", "camera_info") == "/camera_info"
