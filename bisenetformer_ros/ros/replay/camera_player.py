"""Plays images as a camera: `python -m bisenetformer_ros.ros.replay.camera_player SOURCE --rate 5 --frames 100`.

Publishes /camera/image_raw and /camera/camera_info. With --geometry the camera is calibrated, and depth, where there is
any, goes to /camera/depth/image with /camera/depth/camera_info. Events on stdout: `opened` (size and number of frames,
null for a live camera, and notes on the source), `sent` for every frame (its stamp and name), and `finished`, or
`refused` with the reason.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path

import cv2
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from bisenetformer_ros.bags.images import open_bag
from bisenetformer_ros.bags.reader import is_bag
from bisenetformer_ros.errors import BiSeNetFormerError, InputError
from bisenetformer_ros.file_names import printable
from bisenetformer_ros.images.frame_geometry import FrameGeometry
from bisenetformer_ros.images.sources import FrameSource, SourceFrame, open_source
from bisenetformer_ros.ros.initialization import initialize_ros
from bisenetformer_ros.ros.message_types import messages
from bisenetformer_ros.ros.replay.event_stream import emit, nanoseconds
from bisenetformer_ros.ros.shared_memory import use_large_shared_memory

FRAME_ID = "camera_optical_frame"
SETTLED_S = 1.0
"""Time for which all subscribers must exist; with automatic reliability the node subscribes twice at first."""
POLL_S = 0.1
REFUSED = 2
"""Exit code for a source that cannot be played."""
ACKNOWLEDGED_WITHIN = Duration(seconds=5)
WEBCAM = "webcam:"


class CameraPlayer(Node):
    """A camera, which is uncalibrated unless `geometry` is a folder with NAME.npz for every image NAME."""

    def __init__(self, geometry: Path | None = None) -> None:
        super().__init__("player", namespace="camera")
        self._geometry = geometry
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, "image_raw", qos)
        self._infos = self.create_publisher(CameraInfo, "camera_info", qos)
        if geometry:
            self._depths = self.create_publisher(Image, "depth/image", qos)
            self._depth_infos = self.create_publisher(CameraInfo, "depth/camera_info", qos)
        self._image_topics = [self._images.topic_name]

    def wait_for_subscribers(self, count: int) -> None:
        """Wait until `count` reliable subscribers to the images have existed for SETTLED_S."""
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
        """Publish the frames one period apart, without catching up after a late frame."""
        due = time.monotonic()
        for frame in frames:
            rgb = frame.read()
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - 1 / rate_hz) + 1 / rate_hz
            self.publish(frame.name, messages.image(Header(frame_id=FRAME_ID), rgb))
        self.finish()

    def publish(self, name: str, image: Image) -> int:
        """Publish an image, its camera info and its depth with the current time; return that stamp in ns."""
        geometry = FrameGeometry.load(self._geometry / f"{name}.npz") if self._geometry else None
        header = image.header
        header.stamp = self.get_clock().now().to_msg()
        self._images.publish(image)
        info = messages.camera_info(header, image.height, image.width, geometry.matrix if geometry else None)
        self._infos.publish(info)
        if geometry and geometry.depth is not None:
            self._depths.publish(messages.image(header, geometry.depth))
            self._depth_infos.publish(info)
        return self._report_sent(name, image)

    def finish(self) -> None:
        """Wait until all images have reached their subscribers, or none of them responds."""
        self._images.wait_for_all_acked(ACKNOWLEDGED_WITHIN)

    def _report_sent(self, name: str, image: Image) -> int:
        stamp = nanoseconds(image.header.stamp)
        emit("sent", stamp=stamp, name=name)
        return stamp


def open_camera_source(source: str, topic: str | None) -> FrameSource:
    """Open anything that a camera can play.

    Args:
        source: What `open_source` reads (images, a video), a rosbag2, webcam:N, or a device such as /dev/video0.
        topic: Image topic in a rosbag2; None if it has only one.

    Raises:
        InputError: `source` is none of these or has no images.
    """
    path = Path(source).expanduser()
    if is_bag(path):
        return open_bag(path, topic)
    if topic is not None:
        raise InputError(f"--topic {topic}: expected a rosbag2, got {source}; leave out --topic for other sources")
    if source.startswith(WEBCAM) or path.is_char_device():
        return _open_webcam(source.removeprefix(WEBCAM))
    try:
        return open_source(source)
    except InputError as error:
        raise InputError(f"{error}, a rosbag2 (directory, .mcap or .db3) or {WEBCAM}N") from None


def _open_webcam(device: str) -> FrameSource:
    webcam = cv2.VideoCapture(int(device) if device.isdecimal() else printable(device))
    webcam.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # with a larger buffer, playing slowly would add latency
    if not webcam.isOpened():
        present = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
        raise InputError(f"cannot open webcam '{device}'; devices on this machine: {present}")
    return FrameSource(None, _webcam_frames(webcam))


def _webcam_frames(webcam: cv2.VideoCapture) -> Iterator[SourceFrame]:
    number = 0
    while True:
        taken, bgr = webcam.read()
        if not taken:
            raise InputError(f"the webcam stopped after {number} images; was it unplugged?")
        yield SourceFrame(f"webcam_{number:06d}", partial(cv2.cvtColor, bgr, cv2.COLOR_BGR2RGB))
        number += 1


def main(argv: Sequence[str] | None = None) -> int:
    """Play a source; return the exit code of `run`."""
    parser = argparse.ArgumentParser(description="Play images as a camera topic.")
    parser.add_argument("source", help="folder, video, rosbag2 or webcam:N")
    parser.add_argument("--topic", help="image topic of a rosbag2 that has several")
    parser.add_argument(
        "--geometry", type=Path, help="folder with camera matrix and depth NAME.npz of every image NAME"
    )
    parser.add_argument("--rate", type=float, default=5.0, help="frames per second (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=180, help="maximum number of frames (default: %(default)s)")
    add_subscribers_argument(parser)
    args = parser.parse_args(argv)
    return run(lambda: _play(args))


def _play(args: argparse.Namespace) -> None:
    source = open_camera_source(args.source, args.topic)
    first = next(source.frames, None)
    if first is None:
        raise InputError(f"{args.source}: no images in it")
    height, width = first.read().shape[:2]
    num_frames = None if source.num_frames is None else min(source.num_frames, args.frames)
    notes = [*source.notes, *([f"not taken as images: {source.skipped}"] if source.skipped else [])]
    emit("opened", height=height, width=width, frames=num_frames, frame_id=FRAME_ID, notes=notes)
    start_ros()
    camera = CameraPlayer(args.geometry)
    camera.wait_for_subscribers(args.subscribers)
    camera.play(islice(chain([first], source.frames), args.frames), args.rate)


def add_subscribers_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option --subscribers."""
    parser.add_argument(
        "--subscribers", type=int, default=0, help="number of subscribers to wait for (default: %(default)s)"
    )


def start_ros() -> None:
    """Initialize rclpy for a process that ends with KeyboardInterrupt. Raises ConfigError."""
    use_large_shared_memory()
    initialize_ros([], signal_handler_options=SignalHandlerOptions.NO)


def run(play: Callable[[], None]) -> int:
    """Call `play` and emit how it ended; return the exit code: 0, or REFUSED if it raised BiSeNetFormerError."""
    try:
        play()
    except BiSeNetFormerError as error:
        emit("refused", reason=str(error))
        return REFUSED
    except KeyboardInterrupt:
        return 0
    emit("finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
