"""Pictures from disk, one after the other: an image, a folder of images or a video."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.errors import InputError

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Frame:
    """A picture that is decoded when asked for.

    name: the file's name without its suffix; frames of a video have their number appended.
    read: returns (H, W, 3) uint8 RGB, or raises InputError that names the file.
    """

    name: str
    read: Callable[[], np.ndarray]


@dataclass(frozen=True)
class FrameSource:
    """Frames in the order of file names or of the video. num_frames: None if the video does not say."""

    num_frames: int | None
    frames: Iterator[Frame]


def open_source(path: str | Path) -> FrameSource:
    """Frames of an image, of all images in a folder, of those that fit a pattern (`DIR/left_*.jpg`), or of a video.

    A PNG beside a JPEG of the same name is its label image, as in CamVid's folders, and is left out.
    Raises InputError if the path does not exist or there are no images. Files that turn out to be unreadable raise it
    later, from `Frame.read`.
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


def _image_frame(path: Path) -> Frame:
    return Frame(path.stem, partial(_read_image, path))


def _read_image(path: Path) -> np.ndarray:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{path}: cannot be read as an image; it is damaged or of an unknown format")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _video_frames(path: Path, video: cv2.VideoCapture) -> Iterator[Frame]:
    number = 0
    while True:
        decoded, bgr = video.read()
        if not decoded:
            break
        yield Frame(f"{path.stem}_{number:06d}", partial(cv2.cvtColor, bgr, cv2.COLOR_BGR2RGB))
        number += 1
    video.release()
    if number == 0:
        yield Frame(path.stem, partial(_refuse_video, path))


def _refuse_video(path: Path) -> np.ndarray:
    raise InputError(f"{path}: cannot be read as an image or a video; it is damaged or of an unknown format")
