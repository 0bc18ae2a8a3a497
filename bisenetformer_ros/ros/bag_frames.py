"""The images of one topic of a rosbag2: a directory with metadata.yaml, or a single .mcap or .db3 file."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.frame_source import Frame, FrameSource
from bisenetformer_ros.image_decoder import decode_image

TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}


def is_bag(path: Path) -> bool:
    return (path / "metadata.yaml").is_file() or path.suffix in (".mcap", ".db3")


def open_bag(path: Path, topic: str | None = None) -> FrameSource:
    """Frames in order of recording, named by their number. topic: may be left out if there is one image topic only.

    Raises InputError for a bag that cannot be read or has no such topic, ConfigError without the package rosbags.
    """
    try:
        from rosbags.rosbag2 import Reader, ReaderError
    except ModuleNotFoundError as error:
        raise ConfigError("reading a rosbag2 needs the package rosbags: `pip install rosbags`") from error
    try:
        reader = Reader(path)
        reader.open()
    except (ReaderError, OSError) as error:
        raise InputError(f"{path}: no rosbag2 that can be read: {error}") from error
    connections = _choose(path, reader.connections, topic)
    return FrameSource(sum(c.msgcount for c in connections), _frames(path, reader, connections))


def _choose(path: Path, connections: list[Any], topic: str | None) -> list[Any]:
    """The connections of `topic`, or of the only image topic there is."""
    topics = sorted({c.topic for c in connections if c.msgtype in TYPES})
    if topic is None and len(topics) == 1:
        topic = topics[0]
    if topic not in topics:
        others = ", ".join(sorted({f"{c.topic} ({c.msgtype})" for c in connections})) or "no topics"
        wanted = f"no image topic {topic}" if topic else f"{len(topics) or 'no'} image topics"
        found = ", ".join(topics) or f"none; what it has: {others}"
        raise InputError(f"{path}: the bag has {wanted}; expected one, or its name in --topic. Image topics: {found}")
    return [c for c in connections if c.topic == topic and c.msgtype in TYPES]


def _frames(path: Path, reader: Any, connections: list[Any]) -> Iterator[Frame]:
    for number, (connection, _, data) in enumerate(reader.messages(connections)):
        name = f"{path.stem}_{number:06d}"
        yield Frame(name, partial(_decode, TYPES[connection.msgtype], bytes(data), name))


def _decode(message_type: type, data: bytes, name: str) -> np.ndarray:
    message = deserialize_message(data, message_type)
    if message_type is Image:
        return decode_image(message)
    bgr = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{name}: the compressed image ({message.format}) cannot be decoded")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
