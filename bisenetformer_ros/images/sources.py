"""Pictures on disk, one after the other: an image, a folder of images or a video."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.errors import DataError, InputError
from bisenetformer_ros.images.files import read_rgb

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class SourceFrame:
    """A picture that is decoded on demand.

    Attributes:
        name: File name without suffix; frames of a video have their number appended.
        read: Returns (H, W, 3) uint8 RGB; raises InputError, which names the file.
    """

    name: str
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class FrameSource:
    """Frames in the order of file names or of the video.

    Attributes:
        num_frames: None if the video does not say.
    """

    num_frames: int | None
    frames: Iterator[SourceFrame]


def open_source(path: str | Path) -> FrameSource:
    """Open an image, a folder of images, a pattern of names in a folder (`DIR/left_*.jpg`), or a video.

    A PNG beside a JPEG of the same name is its label image, as in CamVid's folders, and is skipped.

    Raises:
        InputError: The path does not exist, or no images match. Unreadable files raise it later, from
            `SourceFrame.read`.
    """
    path = Path(path).expanduser()
    if path.is_dir() or ("*" in path.name and not path.exists()):
        images = _find_images(path, "*") if path.is_dir() else _find_images(path.parent, path.name)
        if not images:
            raise InputError(f"{path}: no images there; expected files ending in {', '.join(IMAGE_SUFFIXES)}")
        return FrameSource(len(images), map(_image_frame, images))
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; expected an image, a folder of images or a video")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return FrameSource(1, map(_image_frame, [path]))
    video = cv2.VideoCapture(str(path))
    num_frames = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    return FrameSource(num_frames if num_frames > 0 else None, _video_frames(path, video))


def _find_images(folder: Path, pattern: str) -> list[Path]:
    images = [file for file in folder.glob(pattern) if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
    photographs = {file.stem for file in images if file.suffix.lower() in (".jpg", ".jpeg")}
    return sorted(file for file in images if file.suffix.lower() != ".png" or file.stem not in photographs)


def _image_frame(path: Path) -> SourceFrame:
    return SourceFrame(path.stem, partial(_read_image, path))


def _read_image(path: Path) -> np.ndarray:
    try:
        return read_rgb(path)
    except DataError as error:
        raise InputError(str(error)) from error


def _video_frames(path: Path, video: cv2.VideoCapture) -> Iterator[SourceFrame]:
    number = 0
    while True:
        decoded, bgr = video.read()
        if not decoded:
            break
        yield SourceFrame(f"{path.stem}_{number:06d}", partial(cv2.cvtColor, bgr, cv2.COLOR_BGR2RGB))
        number += 1
    video.release()
    if number == 0:
        yield SourceFrame(path.stem, partial(_refuse_video, path))


def _refuse_video(path: Path) -> np.ndarray:
    raise InputError(f"{path} cannot be read: it is corrupt, or neither an image nor a video")
