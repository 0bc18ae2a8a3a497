"""Plays an image topic of a rosbag2 as a camera: `python -m bisenetformer_ros.ros.replay.bag_player BAG --rate 0.5`.

Events as of `camera_player`; frames are named after their number in the topic. Images are published as recorded, with
the current time as their stamp. Compressed ones go to /camera/image_raw/compressed and, decoded for viewers, to
/camera/image_raw. Messages that are not images are skipped.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import rclpy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.bags.images import COMPRESSED, BagImage, bag_images, choose_image_topic
from bisenetformer_ros.bags.pace import LOCKSTEP, pace
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.compressed import decode_compressed
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.msg import Latency
from bisenetformer_ros.ros.message_types import message_type, messages
from bisenetformer_ros.ros.replay.camera_player import CameraPlayer, add_subscribers_argument, run, start_ros
from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds

RESULT_TIMEOUT_S = 30.0
"""Time limit for the result of an image in lockstep."""
DROP_S = 0.5
"""Pause after an image that cannot be decoded in lockstep: the node drops it without a message."""
LATENCY_TOPIC = "/bisenetformer/latency"
"""The last message that the node publishes for a frame."""


class BagPlayer(CameraPlayer):
    """Plays recorded images."""

    def __init__(self, image_type: str) -> None:
        """image_type: IMAGE or COMPRESSED."""
        super().__init__()
        self._segmented: set[int] = set()
        self.create_subscription(Latency, LATENCY_TOPIC, self._on_latency, 10)
        if image_type == COMPRESSED:
            self._compressed = self.create_publisher(CompressedImage, "image_raw/compressed", 5)
            self._image_topics.append(self._compressed.topic_name)

    def replay(self, images: Iterable[BagImage], speed: float) -> None:
        """Publish at `speed` times the recorded rate; late images are published at once."""
        begin_ns, begin = None, time.monotonic()
        for image, message in _messages(images):
            begin_ns = image.message.time_ns if begin_ns is None else begin_ns
            due = begin + (image.message.time_ns - begin_ns) / 1e9 / speed
            time.sleep(max(0.0, due - time.monotonic()))
            self.publish(image.name, message)
        self.finish()

    def replay_in_lockstep(self, images: Iterable[BagImage]) -> None:
        """Publish each image when the result of the previous one has arrived."""
        for image, message in _messages(images):
            stamp = self.publish(image.name, message)
            try:
                image.read()
            except BadFrameError:
                time.sleep(DROP_S)
            else:
                self._wait_for_result(stamp)
        self.finish()

    def publish(self, name: str, image: Image | CompressedImage) -> int:
        if isinstance(image, Image):
            return super().publish(name, image)
        image.header.stamp = self.get_clock().now().to_msg()
        self._compressed.publish(image)
        with contextlib.suppress(BadFrameError):
            self._images.publish(messages.image(image.header, decode_compressed(image)))
        return self._report_sent(name, image)

    def _wait_for_result(self, stamp: int) -> None:
        deadline = time.monotonic() + RESULT_TIMEOUT_S
        while stamp not in self._segmented and time.monotonic() < deadline:
            rclpy.spin_once(self, timeout_sec=0.1)

    def _on_latency(self, message: Latency) -> None:
        self._segmented.add(nanoseconds(message.header.stamp))


def _messages(images: Iterable[BagImage]) -> Iterator[tuple[BagImage, Image | CompressedImage]]:
    for image in images:
        with contextlib.suppress(BadFrameError):
            image.parse()
            yield image, deserialize_message(image.message.data, message_type(image.message.type))


def main(argv: Sequence[str] | None = None) -> int:
    """Play a bag; return the exit code of `run`."""
    parser = argparse.ArgumentParser(description="Play an image topic of a rosbag2 as a camera topic.")
    parser.add_argument("bag", type=Path, help="directory of a rosbag2, or an .mcap or .db3 file")
    parser.add_argument("--topic", help="image topic, if there are several")
    parser.add_argument("--rate", type=pace, default=1.0, help=f"factor, or {LOCKSTEP} (default: %(default)s)")
    add_subscribers_argument(parser)
    args = parser.parse_args(argv)
    return run(lambda: _play(args))


def _play(args: argparse.Namespace) -> None:
    with Bag(args.bag) as bag:
        topic = choose_image_topic(bag, args.topic, "--topic")
        _announce(args.bag, bag, topic.name, topic.count)
        start_ros()
        player = BagPlayer(topic.type)
        player.wait_for_subscribers(args.subscribers)
        images = bag_images(args.bag, bag.messages([topic.name]))
        if args.rate == LOCKSTEP:
            player.replay_in_lockstep(images)
        else:
            player.replay(images, args.rate)


def _announce(path: Path, bag: Bag, topic: str, count: int | None) -> None:
    """Emit `opened` for the first image that can be decoded."""
    for image in bag_images(path, bag.messages([topic])):
        with contextlib.suppress(BadFrameError):
            parsed = image.parse()
            height, width = image.decode(parsed).shape[:2]
            emit("opened", height=height, width=width, frames=count, frame_id=parsed.header.frame_id)
            return
    raise InputError(f"{path}: none of the {count} messages of {topic} can be decoded")


if __name__ == "__main__":
    sys.exit(main())
