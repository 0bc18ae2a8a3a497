"""What a camera can play: images, a video, a rosbag2 or a live camera."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2

from bisenetformer_ros.bags.images import open_bag
from bisenetformer_ros.bags.reader import is_bag
from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.sources import FrameSource, SourceFrame, open_source

WEBCAM = "webcam:"


def open_camera_source(source: str, topic: str | None) -> FrameSource:
    """Finds out what `source` is.

    source: what `open_source` reads (images, a video), a rosbag2, webcam:N or a device like /dev/video0.
    topic: of the images in a rosbag2; may be left out if it has one such topic.
    Raises InputError if it is none of these, or has nothing that can be played.
    """
    path = Path(source).expanduser()
    if is_bag(path):
        return open_bag(path, topic)
    if topic is not None:
        raise InputError(f"a topic ({topic}) can be chosen in a rosbag2 only, which {source} is not")
    if source.startswith(WEBCAM) or path.is_char_device():
        return _open_webcam(source.removeprefix(WEBCAM))
    try:
        return open_source(path)
    except InputError as error:
        raise InputError(f"{error}, a rosbag2 (directory with metadata.yaml, .mcap or .db3) or {WEBCAM}N") from None


def _open_webcam(device: str) -> FrameSource:
    webcam = cv2.VideoCapture(int(device) if device.isdecimal() else device)
    webcam.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # played slower than it delivers, it would lag behind by its buffer
    if not webcam.isOpened():
        present = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "none"
        raise InputError(f"webcam '{device}' cannot be opened; devices of this machine: {present}")
    return FrameSource(None, _webcam_frames(webcam))


def _webcam_frames(webcam: cv2.VideoCapture) -> Iterator[SourceFrame]:
    number = 0
    while True:
        taken, bgr = webcam.read()
        if not taken:
            raise InputError(f"the webcam gave no picture after {number} of them; was it unplugged?")
        yield SourceFrame(f"webcam_{number:06d}", partial(cv2.cvtColor, bgr, cv2.COLOR_BGR2RGB))
        number += 1
