"""Images and label images of a bag, decoded by the node's decoders."""

import re
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import Bag, BagMessage
from bisenetformer_ros.bags.topics import Topic, list_topics
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.compressed import REPUBLISH_VIDEO, decode_compressed, decode_compressed_values
from bisenetformer_ros.images.raw import BadFrameError, decode_image, decode_values
from bisenetformer_ros.images.sources import FrameSource, SourceFrame

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
_VIDEO = re.compile(r"FFMPEGPacket|CompressedVideo|theora_image_transport/msg/Packet")
"""Types of messages that need those before them to be decoded."""

_Decoders = Mapping[str, Callable[[Any], np.ndarray]]
IMAGE_DECODERS: _Decoders = {IMAGE: decode_image, COMPRESSED: decode_compressed}
LABEL_DECODERS: _Decoders = {IMAGE: decode_values, COMPRESSED: decode_compressed_values}

_STAMP_END = 12
"""Offset in bytes behind the stamp of a serialized message: 4 of encapsulation, 4 of seconds, 4 of nanoseconds."""


def choose_image_topic(bag: Bag, topic: str | None, option: str, others: Collection[str | None] = ()) -> Topic:
    """Return `topic`, or the bag's only image topic that has messages if it is None.

    Args:
        bag: Bag to look in.
        topic: Name of the topic.
        option: Command-line option that names the topic, for the error message.
        others: Topics that are not candidates.

    Raises:
        InputError: The topic is missing, has another type or no messages, or the bag has several image topics.
    """
    if topic is not None:
        _refuse_videos(bag, [found for found in bag.topics if found.name == topic])
        return bag.find(topic, IMAGE_DECODERS, option)
    images = [found for found in bag.topics if found.type in IMAGE_DECODERS and found.name not in others]
    images = [found for found in images if found.count] or images
    if len(images) == 1:
        return bag.find(images[0].name, IMAGE_DECODERS, option)
    if not images:
        _refuse_videos(bag, bag.topics)
    raise InputError(
        f"{bag.path}: the bag has {len(images) or 'no'} image topics; expected one, or its name in {option}. "
        f"{list_topics(bag.topics)}"
    )


def _refuse_videos(bag: Bag, topics: Iterable[Topic]) -> None:
    video = next((topic for topic in topics if _VIDEO.search(topic.type)), None)
    if video is not None:
        raise InputError(
            f"{bag.path}: {video.name} holds packets of a video ({video.type}), expected images: while the bag plays, "
            f"{REPUBLISH_VIDEO} and record its output. {list_topics(bag.topics)}"
        )


def image_decoders(bit_depth: int) -> _Decoders:
    """Return IMAGE_DECODERS for 16-bit images of this many significant bits."""
    return {
        IMAGE: partial(decode_image, bit_depth=bit_depth),
        COMPRESSED: partial(decode_compressed, bit_depth=bit_depth),
    }


def neighbour(image_topic: str, name: str) -> str:
    """Return the sibling `name` of an image topic: /camera/`name` for /camera/image_raw[/compressed]."""
    return f"{image_topic.removesuffix('/compressed').rpartition('/')[0]}/{name}"


@dataclass(frozen=True)
class BagImage:
    """An image message, decoded on demand.

    Attributes:
        name: Name of the bag and number of the message in its topic.
        message: The serialized message.
        decoders: LABEL_DECODERS or those of `image_decoders`.
    """

    name: str
    message: BagMessage
    decoders: _Decoders

    @property
    def stamp_ns(self) -> int:
        """Stamp of the header, read without parsing the image. Raises BadFrameError for truncated data."""
        data = self.message.data
        if len(data) < _STAMP_END:
            raise BadFrameError("damaged_message", f"{self.name}: {len(data)} bytes are not a {self.message.type}")
        seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, _STAMP_END - 8)
        return seconds * 1_000_000_000 + nanoseconds

    def parse(self) -> Any:
        """Return the deserialized message. Raises BadFrameError for data that does not match its type."""
        try:
            return message_types().deserialize_cdr(self.message.data, self.message.type)
        except Exception as error:  # SerdeError, or any error that wrong lengths cause
            raise BadFrameError("damaged_message", f"{self.name}: not a {self.message.type}: {error}") from error

    def decode(self, parsed: Any) -> np.ndarray:
        """Decode the result of `parse`: to (H, W, 3) uint8 RGB, or for labels to (H, W) integers.

        Raises:
            BadFrameError: The image cannot be decoded.
        """
        return self.decoders[self.message.type](parsed)

    def read(self) -> np.ndarray:
        """Parse and decode the message; see `decode`."""
        return self.decode(self.parse())


def bag_images(path: Path, messages: Iterable[BagMessage], decoders: _Decoders = IMAGE_DECODERS) -> Iterator[BagImage]:
    """Yield the images of one topic of the bag `path`, numbered from 0."""
    for number, message in enumerate(messages):
        yield BagImage(f"{path.stem}_{number:06d}", message, decoders)


def open_bag(path: Path, topic: str | None = None, option: str = "--topic", bit_depth: int = 16) -> FrameSource:
    """Open an image topic of a bag as frames in order of recording.

    Args:
        path: Bag.
        topic: Name of the topic; None for the bag's only image topic.
        option: Command-line option that names the topic, for error messages.
        bit_depth: Significant bits of 16-bit images, one of `images.raw.BIT_DEPTHS`.

    Raises:
        InputError: The bag cannot be read or lacks the topic.
        ConfigError: rosbags is not installed.
    """
    bag = Bag(path)  # stays open while its frames are read
    chosen = choose_image_topic(bag, topic, option)
    images = bag_images(path, bag.messages([chosen.name]), image_decoders(bit_depth))
    frames = (SourceFrame(image.name, image.read) for image in images)
    return FrameSource(chosen.count, frames, notes=tuple(bag.notes))
