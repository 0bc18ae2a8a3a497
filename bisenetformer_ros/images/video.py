"""Video files to write."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.file_names import utf8_path

_MPEG4 = int.from_bytes(b"mp4v", "little")


class VideoFile(AbstractContextManager["VideoFile"]):
    """An .mp4 file in MPEG-4; a context manager.

    The exit completes the file, after an error too, and replaces the one at `path`.

    Args:
        path: File.
        rate_hz: Frames per second.

    Raises:
        ConfigError: OpenCV cannot write such files.
        OSError: The disk is full; raised at the end.
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self.path = path
        self.rate_hz = rate_hz
        self._unfinished = path.with_name(f"video.{os.getpid()}.{id(self)}.unfinished{path.suffix}")
        self._size = (0, 0)
        self._count = 0
        self._writer = cv2.VideoWriter()

    def write(self, rgb: np.ndarray) -> None:
        """Add a frame, (H, W, 3) uint8; later ones are resized to the first. An odd last row or column is cut off."""
        if not self._count:
            self._open(rgb.shape[1::-1])
        if rgb.shape[1::-1] != self._size:
            rgb = cv2.resize(rgb, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self._count += 1

    def _open(self, size: tuple[int, int]) -> None:
        self._size = size
        with utf8_path(self.path.parent) as folder:
            self._writer.open(f"{folder}/{self._unfinished.name}", _MPEG4, self.rate_hz, size)
        if not self._writer.isOpened():
            raise ConfigError(
                f"OpenCV cannot write {self.path}: it was built without FFmpeg; install opencv-python-headless, or "
                "segment the frames as images"
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.release()
        if not self._count:
            return
        try:
            self._require_complete()
            os.replace(self._unfinished, self.path)
        finally:
            self._unfinished.unlink(missing_ok=True)

    def _require_complete(self) -> None:
        """OpenCV does not report that a disk is full."""
        with utf8_path(self._unfinished) as name:
            found = int(cv2.VideoCapture(name).get(cv2.CAP_PROP_FRAME_COUNT))
        if found != self._count:
            raise OSError(
                f"cannot write {self.path}: it has {max(found, 0)} of {self._count} frames; is the disk full?"
            )
