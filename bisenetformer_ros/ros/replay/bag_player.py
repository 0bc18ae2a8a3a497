"""Plays one image topic of a rosbag2 as a camera: `python -m bisenetformer_ros.ros.replay.bag_player BAG --rate 0.5`.

Events as of `camera_player`; the frames are named by their number in the topic. Images are sent as they were recorded,
with the stamp of the moment. Compressed ones go to /camera/image_raw/compressed, and decoded to /camera/image_raw for
those who only look. Messages that are no images at all cannot be sent and are left out.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import rclpy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.bags.images import COMPRESSED, IMAGE, BagImage, bag_images, choose_image_topic
from bisenetformer_ros.bags.pace import LOCKSTEP, pace
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.errors import BiSeNetFormerError, InputError
from bisenetformer_ros.images.compressed import decode_compressed
from bisenetformer_ros.images.raw import BadFrameError
from bisenetformer_ros.msg import Latency
from bisenetformer_ros.ros.messages import image_message
from bisenetformer_ros.ros.replay.camera_player import CameraPlayer, refuse
from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds
from bisenetformer_ros.ros.shared_memory import make_room_for_images

KINDS = {IMAGE: Image, COMPRESSED: CompressedImage}
ANSWER_WITHIN_S = 30.0
"""So long the next image waits in lock-step for the result of the one before."""
REFUSAL_S = 0.5
"""So long it waits after an image that cannot be decoded: the node refuses it at once, and nothing tells of that."""
LATENCY_TOPIC = "/bisenetformer/latency"
"""What the node publishes last of a frame."""


class BagPlayer(CameraPlayer):
    """Sends the images one after the other."""

    def __init__(self, kind: type) -> None:
        """kind: of the images, Image or CompressedImage."""
        super().__init__()
        self._answered: set[int] = set()
        self.create_subscription(Latency, LATENCY_TOPIC, self._on_latency, 10)
        if kind is CompressedImage:
            self._compressed = self.create_publisher(kind, "image_raw/compressed", 5)
            self._image_topics.append(self._compressed.topic_name)

    def replay(self, images: Iterable[BagImage], speed: float) -> None:
        """As recorded, `speed` times as fast. What is late is sent at once."""
        begin_ns, begin = None, time.monotonic()
        for image, message in _messages(images):
            begin_ns = image.message.time_ns if begin_ns is None else begin_ns
            due = begin + (image.message.time_ns - begin_ns) / 1e9 / speed
            time.sleep(max(0.0, due - time.monotonic()))
            self.publish(image.name, message)
        self.finish()

    def replay_in_lockstep(self, images: Iterable[BagImage]) -> None:
        """Each image when the result of the one before is there."""
        for image, message in _messages(images):
            stamp = self.publish(image.name, message)
            try:
                image.read()
            except BadFrameError:
                time.sleep(REFUSAL_S)
            else:
                self._wait_for_answer(stamp)
        self.finish()

    def publish(self, name: str, image: Image | CompressedImage) -> int:
        if isinstance(image, Image):
            return super().publish(name, image)
        image.header.stamp = self.get_clock().now().to_msg()
        self._compressed.publish(image)
        with contextlib.suppress(BadFrameError):
            self._images.publish(image_message(image.header, decode_compressed(image)))
        stamp = nanoseconds(image.header.stamp)
        emit("sent", stamp=stamp, name=name)
        return stamp

    def _wait_for_answer(self, stamp: int) -> None:
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while stamp not in self._answered and time.monotonic() < deadline:
            rclpy.spin_once(self, timeout_sec=0.1)

    def _on_latency(self, message: Latency) -> None:
        self._answered.add(nanoseconds(message.header.stamp))


def _messages(images: Iterable[BagImage]) -> Iterator[tuple[BagImage, Image | CompressedImage]]:
    for image in images:
        with contextlib.suppress(BadFrameError):
            image.parse()
            yield image, deserialize_message(image.message.data, KINDS[image.message.type])


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when all images were sent, and the exit code of `refuse` for a bag that cannot be played."""
    args = _parse(argv)
    try:
        with Bag(args.bag) as bag:
            topic = choose_image_topic(bag, args.topic, "--topic")
            _announce(args.bag, bag, topic.name, topic.count)
            make_room_for_images()
            rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
            player = BagPlayer(KINDS[topic.type])
            player.wait_for_subscribers(args.subscribers)
            images = bag_images(args.bag, bag.messages([topic.name]))
            if args.rate == LOCKSTEP:
                player.replay_in_lockstep(images)
            else:
                player.replay(images, args.rate)
    except BiSeNetFormerError as error:
        return refuse(error)
    except KeyboardInterrupt:
        return 0
    emit("finished")
    return 0


def _announce(path: Path, bag: Bag, topic: str, count: int | None) -> None:
    """Emits `opened`, of the first image that can be decoded."""
    for image in bag_images(path, bag.messages([topic])):
        with contextlib.suppress(BadFrameError):
            parsed = image.parse()
            height, width = image.decode(parsed).shape[:2]
            emit("opened", height=height, width=width, frames=count, frame_id=parsed.header.frame_id)
            return
    raise InputError(f"{path}: none of the {count} messages of {topic} can be decoded")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Play an image topic of a rosbag2 as a camera topic.")
    parser.add_argument("bag", type=Path, help="directory with metadata.yaml, or an .mcap or .db3 file")
    parser.add_argument("--topic", help="image topic, if there are several")
    parser.add_argument("--rate", type=pace, default=1.0, help=f"factor, or {LOCKSTEP} (default: %(default)s)")
    parser.add_argument(
        "--subscribers", type=int, default=0, help="wait for so many subscribers first (default: %(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
