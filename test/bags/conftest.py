"""Bags written by the rosbags library alone, so that what is tested does not write what it reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
PERIOD_NS = 100_000_000
BEGIN_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope="session")
def store() -> Any:
    """The types of ROS 2 Humble, an older distribution than the one that the package writes."""
    return STORE


def stamp_of(number: int) -> int:
    """Nanoseconds of the header of message `number`; messages are recorded 5 ms later."""
    return BEGIN_NS + number * PERIOD_NS


@pytest.fixture(scope="session")
def header() -> Callable[[int], Any]:
    def make(number: int) -> Any:
        seconds, nanoseconds = divmod(stamp_of(number), 1_000_000_000)
        return STORE.types["std_msgs/msg/Header"](
            STORE.types["builtin_interfaces/msg/Time"](seconds, nanoseconds), "front"
        )

    return make


@pytest.fixture(scope="session")
def image(header: Callable[[int], Any]) -> Callable[..., Any]:
    """image(number, pixels): bgr8 of RGB, mono8 of uint8, mono16 of uint16."""

    def make(number: int, pixels: np.ndarray) -> Any:
        height, width = pixels.shape[:2]
        encoding = "bgr8" if pixels.ndim == 3 else {"uint8": "mono8", "uint16": "mono16"}[pixels.dtype.name]
        stored = np.ascontiguousarray(pixels[..., ::-1] if pixels.ndim == 3 else pixels)
        data = np.frombuffer(stored.tobytes(), np.uint8)
        return STORE.types["sensor_msgs/msg/Image"](
            header(number), height, width, encoding, 0, data.size // height, data
        )

    return make


@pytest.fixture
def write_bag(tmp_path: Path) -> Callable[..., Path]:
    """write_bag({topic: messages}, storage, compression): message i of every topic is recorded at moment i."""

    def write(
        topics: dict[str, list[Any]],
        storage: StoragePlugin = StoragePlugin.MCAP,
        compression: CompressionMode = CompressionMode.NONE,
        name: str = "drive",
    ) -> Path:
        writer = Writer(tmp_path / name, version=8, storage_plugin=storage)
        writer.set_compression(compression, CompressionFormat.ZSTD)
        with writer:
            connections = {
                topic: writer.add_connection(topic, messages[0].__msgtype__, typestore=STORE)
                for topic, messages in topics.items()
            }
            for number in range(max(map(len, topics.values()))):
                for topic, messages in topics.items():
                    if number < len(messages):
                        data = STORE.serialize_cdr(messages[number], messages[number].__msgtype__)
                        writer.write(connections[topic], stamp_of(number) + 5_000_000, data)
        return tmp_path / name

    return write
