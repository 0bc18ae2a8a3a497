"""Plays pictures as a camera: `python -m bisenetformer_ros.ros.replay.camera_player SOURCE --rate 5 --frames 100`.

Publishes /camera/image_raw and /camera/camera_info. Events on stdout: `opened` (size and number of the frames, null for
a live camera), `sent` for every frame (its stamp and name), `finished`, or `refused` with the reason.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import chain, islice

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from bisenetformer_ros.errors import BiSeNetFormerError, InputError
from bisenetformer_ros.images.sources import SourceFrame
from bisenetformer_ros.ros.messages import image_message
from bisenetformer_ros.ros.replay.camera_source import open_camera_source
from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds
from bisenetformer_ros.ros.shared_memory import make_room_for_images

FRAME_ID = "camera_optical_frame"
SETTLED_S = 1.0
"""So long all subscribers must have been there; one with automatic reliability subscribes twice at first."""
POLL_S = 0.1
CANNOT_PLAY = 2
ACKNOWLEDGED_WITHIN = Duration(seconds=5)


class CameraPlayer(Node):
    """A camera without calibration: `camera_info` has the size and zeros, as its definition asks for."""

    def __init__(self) -> None:
        super().__init__("player", namespace="camera")
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, "image_raw", qos)
        self._infos = self.create_publisher(CameraInfo, "camera_info", qos)
        self._image_topics = [self._images.topic_name]

    def wait_for_subscribers(self, count: int) -> None:
        """Returns when `count` reliable subscribers to the images have been there for SETTLED_S."""
        complete_since = None
        while complete_since is None or time.monotonic() - complete_since < SETTLED_S:
            infos = chain.from_iterable(map(self.get_subscriptions_info_by_topic, self._image_topics))
            reliable = [info for info in infos if info.qos_profile.reliability == ReliabilityPolicy.RELIABLE]
            if len(reliable) < count:
                complete_since = None
            elif complete_since is None:
                complete_since = time.monotonic()
            time.sleep(POLL_S)

    def play(self, frames: Iterable[SourceFrame], rate_hz: float) -> None:
        """Publishes the frames one period apart; late frames do not make the following ones hurry."""
        due = time.monotonic()
        for frame in frames:
            rgb = frame.read()
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1 / rate_hz) + 1 / rate_hz
            self.publish(frame.name, image_message(Header(frame_id=FRAME_ID), rgb))
        self.finish()

    def publish(self, name: str, image: Image) -> int:
        """Sends the image as one of this moment. Returns the stamp that it got, in ns."""
        header = image.header
        header.stamp = self.get_clock().now().to_msg()
        self._images.publish(image)
        self._infos.publish(CameraInfo(header=header, height=image.height, width=image.width))
        stamp = nanoseconds(header.stamp)
        emit("sent", stamp=stamp, name=name)
        return stamp

    def finish(self) -> None:
        """Returns when every image has reached its subscribers, or none of them answers."""
        self._images.wait_for_all_acked(ACKNOWLEDGED_WITHIN)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 when all frames were sent and CANNOT_PLAY for a source that cannot be played."""
    args = _parse(argv)
    try:
        source = open_camera_source(args.source, args.topic)
        first = next(source.frames, None)
        if first is None:
            raise InputError(f"{args.source}: no images in it")
        height, width = first.read().shape[:2]
        num_frames = None if source.num_frames is None else min(source.num_frames, args.frames)
        emit("opened", height=height, width=width, frames=num_frames, frame_id=FRAME_ID)
        make_room_for_images()
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        camera = CameraPlayer()
        camera.wait_for_subscribers(args.subscribers)
        camera.play(islice(chain([first], source.frames), args.frames), args.rate)
    except BiSeNetFormerError as error:
        return refuse(error)
    except KeyboardInterrupt:
        return 0
    emit("finished")
    return 0


def refuse(error: BiSeNetFormerError) -> int:
    """Reports that the source cannot be played, as an event; returns the exit code."""
    emit("refused", reason=str(error))
    return CANNOT_PLAY


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Play pictures as a camera topic.")
    parser.add_argument("source", help="folder, video, rosbag2 or webcam:N")
    parser.add_argument("--topic", help="image topic in a rosbag2 that has several")
    parser.add_argument("--rate", type=float, default=5.0, help="frames per second (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=180, help="at most so many frames (default: %(default)s)")
    parser.add_argument(
        "--subscribers", type=int, default=0, help="wait for so many subscribers first (default: %(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
