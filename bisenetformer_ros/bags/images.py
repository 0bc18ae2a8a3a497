"""The pictures and label images of a bag, decoded as the node decodes them."""

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.bags.damage import Topic, list_topics
from bisenetformer_ros.bags.message_types import message_types
from bisenetformer_ros.bags.reader import Bag, BagMessage
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images import compressed as compressed_decoder
from bisenetformer_ros.images import raw as image_decoder
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.images.sources import Frame, FrameSource

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"

_Decoders = Mapping[str, Callable[[Any], np.ndarray]]
PICTURES: _Decoders = {IMAGE: image_decoder.decode_image, COMPRESSED: compressed_decoder.decode_compressed}
LABELS: _Decoders = {IMAGE: image_decoder.decode_values, COMPRESSED: compressed_decoder.decode_compressed_values}

_STAMP_END = 12
"""Bytes of a serialized message up to the end of its stamp: 4 of encapsulation, 4 of seconds, 4 of nanoseconds."""


def choose_image_topic(bag: Bag, topic: str | None, option: str, others: Collection[str | None] = ()) -> Topic:
    """`topic`, or the only image topic there is besides `others`.

    Raises InputError; option: what would have named the topic.
    """
    if topic is not None:
        return bag.find(topic, PICTURES, option)
    images = [candidate for candidate in bag.topics if candidate.type in PICTURES and candidate.name not in others]
    if len(images) == 1:
        return bag.find(images[0].name, PICTURES, option)
    raise InputError(
        f"{bag.path}: the bag has {len(images) or 'no'} image topics; expected one, or its name in {option}. "
        f"{list_topics(bag.topics)}"
    )


def neighbour(image_topic: str, name: str) -> str:
    """/camera/image_raw and /camera/image_raw/compressed → /camera/`name`."""
    return f"{image_topic.removesuffix('/compressed').rpartition('/')[0]}/{name}"


@dataclass(frozen=True)
class BagImage:
    """A message with an image, decoded when asked for. name: of the bag, with the message's number in its topic.

    decoders: PICTURES or LABELS.
    """

    name: str
    message: BagMessage
    decoders: _Decoders

    @property
    def stamp_ns(self) -> int:
        """Of the header, with which every type of image begins. Raises BadFrameError."""
        data = self.message.data
        if len(data) < _STAMP_END:
            raise BadFrameError("damaged_message", f"{self.name}: {len(data)} bytes are no {self.message.type}")
        seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, _STAMP_END - 8)
        return seconds * 1_000_000_000 + nanoseconds

    def parse(self) -> Any:
        """The message with its fields. Raises BadFrameError for data that is not of its type."""
        try:
            return message_types().deserialize_cdr(self.message.data, self.message.type)
        except Exception as error:  # besides its own SerdeError, whatever wrong lengths lead to
            raise BadFrameError("damaged_message", f"{self.name}: not a {self.message.type}: {error}") from error

    def decode(self, parsed: Any) -> np.ndarray:
        """What `parse` returned → (H, W, 3) uint8 RGB of PICTURES, (H, W) integers of LABELS. Raises BadFrameError."""
        return self.decoders[self.message.type](parsed)

    def read(self) -> np.ndarray:
        """Parsed and decoded."""
        return self.decode(self.parse())


def bag_images(path: Path, messages: Iterable[BagMessage], decoders: _Decoders = PICTURES) -> Iterator[BagImage]:
    """Messages of one topic of the bag `path`, numbered from 0."""
    for number, message in enumerate(messages):
        yield BagImage(f"{path.stem}_{number:06d}", message, decoders)


def open_bag(path: Path, topic: str | None = None) -> FrameSource:
    """Frames in order of recording. topic: may be left out if there is one image topic only.

    Raises InputError for a bag that cannot be read or has no such topic, ConfigError without the package rosbags.
    """
    bag = Bag(path)  # open as long as its frames are read
    chosen = choose_image_topic(bag, topic, "--topic")
    images = bag_images(path, bag.messages([chosen.name]))
    return FrameSource(chosen.count, (Frame(image.name, image.read) for image in images))
