"""Images one after the other: from a file, a folder, a video or a stream."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np

from bisenetformer_ros.commands import ours
from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.file_names import utf8_path
from bisenetformer_ros.images.file_types import IMAGE_SUFFIXES, is_address, is_bag_file, is_image, label_images_among
from bisenetformer_ros.images.files import read_rgb
from bisenetformer_ros.numbers import counted, first_of

DEFAULT_RATE_HZ = 25.0
MAX_RATE_HZ = 1000.0
"""Some streams give the rate of their clock, 90 kHz, instead of that of the frames."""


@dataclass(frozen=True, eq=False)
class Video:
    """A video or a stream; `rate_hz` is its frames per second."""

    name: str
    rate_hz: float


@dataclass(frozen=True)
class SourceFrame:
    """An image that is decoded on demand.

    Attributes:
        name: File name without suffix; frames of a video have their number appended.
        read: Returns (H, W, 3) uint8 RGB; raises InputError, which names the file.
        path: The image file; None for a frame of a video.
        video: The video; None for an image file.
    """

    name: str
    read: Callable[[], np.ndarray]
    path: Path | None = None
    video: Video | None = None


@dataclass(frozen=True)
class FrameSource:
    """Frames in the order of file names or of the video.

    Attributes:
        num_frames: None if the video does not say.
        frames: The frames.
        skipped: What else is in the folder, as in "1 label image (a.png) and 2 others (b.txt, c/)", or "".
        notes: Flaws of a source that can be read in spite of them, one sentence each.
    """

    num_frames: int | None
    frames: Iterator[SourceFrame]
    skipped: str = ""
    notes: tuple[str, ...] = ()


def open_source(source: str | Path) -> FrameSource:
    """Open an image, a folder of images, a pattern of names in a folder (`DIR/left_*.jpg`), a video, or the address of
    a stream (`rtsp://camera/stream`, `http://host/drive.mp4`) that OpenCV can play.

    A PNG beside a JPEG of the same name is its label image, as in CamVid's folders, and is skipped.

    Raises:
        InputError: The path does not exist, no images match, or the stream cannot be opened. Unreadable files raise it
            later, from `SourceFrame.read`.
    """
    if is_address(str(source)):
        return _open_stream(str(source))
    path = Path(source).expanduser()
    if path.is_dir() or ("*" in path.name and not path.exists()):
        images, skipped = scan_folder(path)
        if not images:
            _refuse_bag(path)
            found = f", only {skipped}" if skipped else ""
            raise InputError(f"{path}: no images there{found}; expected files ending in {', '.join(IMAGE_SUFFIXES)}")
        return FrameSource(len(images), map(_image_frame, images), skipped)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; expected an image, a folder of images or a video")
    if is_image(path):
        return FrameSource(1, map(_image_frame, [path]))
    _refuse_bag(path)
    with utf8_path(path) as name:
        video = cv2.VideoCapture(name)
    num_frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    refusal = f"{path} cannot be read: it is corrupt, or neither an image nor a video"
    return FrameSource(num_frames if num_frames > 0 else None, _video_frames(path.stem, video, refusal))


def _refuse_bag(path: Path) -> None:
    files = path.iterdir() if path.is_dir() else [path]
    if any(is_bag_file(file) or file.suffix.lower() == ".bag" for file in files):
        results = path.absolute().with_name(f"{path.absolute().stem}_results").name
        command = ours("evaluate-bag", path, "--write-bag", results)
        raise InputError(f"{path}: a rosbag, expected images or a video; to segment the images of a bag: {command}")


def sample_images(source: str | Path, most: int) -> Iterator[np.ndarray]:
    """Yield up to `most` images, (H, W, 3) uint8 RGB, spread evenly over a source, or the next ones of a live stream.

    A video is decoded twice, to count its frames and to pick some, so that only one is in memory.

    Raises:
        InputError: As `open_source` and `SourceFrame.read`.
    """
    opened = open_source(source)
    if opened.num_frames is None and is_address(str(source)):
        yield from (frame.read() for frame in islice(opened.frames, most))
        return
    count = sum(1 for _ in opened.frames)
    yield from spread(open_source(source).frames, count, most)


def spread(frames: Iterable[SourceFrame], count: int, most: int) -> Iterator[np.ndarray]:
    """Read up to `most` of `count` frames, spread evenly over them."""
    picked = set(np.linspace(0, count - 1, min(count, most)).astype(int))
    yield from (frame.read() for index, frame in enumerate(frames) if index in picked)


def scan_folder(path: Path) -> tuple[list[Path], str]:
    """List the images of a folder, or of a pattern of names in it.

    Returns:
        The images, sorted, and `FrameSource.skipped`.
    """
    if path.is_file():
        return [path], ""
    entries = sorted(path.glob("*") if path.is_dir() else path.parent.glob(path.name))
    images = {entry for entry in entries if is_image(entry) and entry.is_file()}
    labels = label_images_among(images)
    others = [f"{entry.name}{'/' * entry.is_dir()}" for entry in entries if entry not in images]
    kinds = (("label image", sorted(label.name for label in labels)), ("other", others))
    skipped = [f"{counted(len(names), kind)} ({first_of(names)})" for kind, names in kinds if names]
    return sorted(images - labels), " and ".join(skipped)


def _open_stream(address: str) -> FrameSource:
    video = cv2.VideoCapture(address)
    refusal = (
        f"{address} cannot be opened: it is unreachable, or OpenCV was built without FFmpeg and GStreamer; expected "
        "the address of a video"
    )
    if not video.isOpened():
        raise InputError(refusal)
    num_frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    parts = urlsplit(address)
    name = Path(parts.path).stem or parts.hostname or "stream"
    return FrameSource(num_frames if num_frames > 0 else None, _video_frames(name, video, refusal))


def _image_frame(path: Path) -> SourceFrame:
    return SourceFrame(path.stem, partial(_read_image, path), path)


def _read_image(path: Path) -> np.ndarray:
    try:
        return read_rgb(path)
    except DataError as error:
        raise InputError(str(error)) from error


def _video_frames(name: str, capture: cv2.VideoCapture, refusal: str) -> Iterator[SourceFrame]:
    rate_hz = capture.get(cv2.CAP_PROP_FPS)
    video = Video(name, rate_hz if 0 < rate_hz <= MAX_RATE_HZ else DEFAULT_RATE_HZ)
    number = 0
    while True:
        decoded, bgr = capture.read()
        if not decoded:
            break
        yield SourceFrame(f"{name}_{number:06d}", partial(cv2.cvtColor, bgr, cv2.COLOR_BGR2RGB), video=video)
        number += 1
    capture.release()
    if number == 0:
        yield SourceFrame(name, partial(_refuse_video, refusal))


def _refuse_video(refusal: str) -> np.ndarray:
    raise InputError(refusal)
