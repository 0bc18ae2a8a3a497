"""Frames of cameras that calibrate int8, kept in the cache folder until the graph is built."""

import fcntl
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Hashable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.images.stamps import Spacing
from bisenetformer_ros.in_thread import in_thread
from bisenetformer_ros.inference.engines.measuring import vary
from bisenetformer_ros.inference.graph.cache import cache_folder

NUM_FRAMES = 64
SPACING_S = 2.0
"""Between two frames of a camera, so that NUM_FRAMES show about two minutes."""
WRITTEN_WITHIN_S = 3.0
"""Grace period for a frame that is being written."""
_PREFIX = "calibration-"
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]


class CalibrationFrames:
    """Keeps up to NUM_FRAMES frames as JPEG files.

    The folder is locked for the life of the process, so `remove_abandoned_frames` removes that of a killed one alone.

    Attributes:
        path: The folder.
        count: Number of frames in it.
        problem: Why no more frames can be kept; empty if they can.
    """

    def __init__(self) -> None:
        """Create the folder.

        Raises:
            OSError: It cannot be created.
        """
        folder = cache_folder()
        if folder is None:
            raise OSError("there is no cache folder")
        folder.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
        self.count, self.problem = 0, ""
        self._lock = os.open(self.path, os.O_RDONLY)
        with suppress(OSError):  # NFS does not lock folders
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._spacings: defaultdict[Hashable, Spacing] = defaultdict(lambda: Spacing(SPACING_S))
        self._writing: Future[None] | None = None

    @property
    def is_complete(self) -> bool:
        return self.count == NUM_FRAMES

    def offer(self, camera: Hashable, rgb: np.ndarray, stamp_s: float) -> None:
        """Keep a frame if the last one of its camera is SPACING_S old and it shows more than one colour.

        Returns at once; a thread writes one frame at a time. Call it in one thread.

        Args:
            camera: Where the frame comes from.
            rgb: (H, W, 3) uint8, not changed afterwards.
            stamp_s: Its stamp in seconds.
        """
        is_busy = self._writing is not None and not self._writing.done()
        if self.is_complete or self.problem or is_busy:
            return
        if self._spacings[camera].is_due(stamp_s, time.monotonic()) and vary([rgb]):
            self._writing = in_thread(partial(self._write, rgb), "calibration frame")

    def remove(self) -> None:
        """Delete all frames. Call it once."""
        self.problem = "removed"
        if self._writing is not None:
            wait([self._writing], WRITTEN_WITHIN_S)
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def _write(self, rgb: np.ndarray) -> None:
        try:
            write_image(self.path / f"{self.count:03d}.jpg", rgb, _QUALITY)
            self.count += 1
        except OSError as error:
            self.problem = str(error)


def remove_abandoned_frames() -> None:
    """Delete the frames of processes that were killed from the cache folder, as far as possible."""
    folder = cache_folder()
    for path in folder.glob(f"{_PREFIX}*") if folder else ():
        with suppress(OSError):  # locked by a running process, or another user's
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path)
            finally:
                os.close(descriptor)
