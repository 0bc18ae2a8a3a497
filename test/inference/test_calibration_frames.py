import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from patience import until

from bisenetformer_ros.inference.calibration_frames import (
    NUM_FRAMES,
    SPACING_S,
    CalibrationFrames,
    remove_abandoned_frames,
)

NOISE = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder; missing at first."""
    monkeypatch.setenv("BISENETFORMER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep(frames: CalibrationFrames, rgb: np.ndarray, stamp_s: float, camera: str = "front") -> None:
    """Offer a frame that is due until it is kept."""
    before = frames.count
    until(lambda: frames.offer(camera, rgb, stamp_s) or frames.count > before, lambda: frames.problem)


def test_frames_are_kept_until_there_are_enough(cache: Path) -> None:
    frames = CalibrationFrames()
    for number in range(NUM_FRAMES):
        assert not frames.is_complete
        rgb = np.full((24, 32, 3), number, np.uint8)
        rgb[:, 16:] += 4
        keep(frames, rgb, number * SPACING_S)
    assert frames.is_complete
    frames.offer("front", NOISE, 1000.0)
    paths = sorted(frames.path.iterdir())
    assert len(paths) == frames.count == NUM_FRAMES
    assert frames.path.parent == cache
    for number, path in enumerate(paths):
        assert abs(cv2.imread(str(path)).mean() - number - 2) < 1  # JPEG
    frames.remove()
    assert list(cache.iterdir()) == []


def test_frames_are_spaced_per_camera_and_show_something() -> None:
    frames = CalibrationFrames()
    keep(frames, NOISE, 0.0)
    written = frames._writing
    until(written.done, lambda: "still writing")
    frames.offer("front", NOISE, SPACING_S / 2)
    frames.offer("rear", np.full((24, 32, 3), 7, np.uint8), 0.0)
    assert frames._writing is written
    keep(frames, NOISE, 10.0, "rear")
    assert frames.count == 2
    frames.remove()


def test_a_frame_that_cannot_be_written_is_a_problem() -> None:
    frames = CalibrationFrames()
    shutil.rmtree(frames.path)
    until(lambda: frames.offer("front", NOISE, 0.0) or bool(frames.problem), lambda: "no problem")
    assert frames.problem.startswith(f"cannot write {frames.path}{os.sep}000.jpg (No such file or directory): check")
    frames.offer("front", NOISE, 100.0)
    assert frames.count == 0


def test_without_a_folder_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BISENETFORMER_CACHE_DIR", os.path.join(os.devnull, "cache"))
    with pytest.raises(OSError, match="Not a directory"):
        CalibrationFrames()
    remove_abandoned_frames()


def test_frames_of_a_killed_process_are_removed_and_those_of_a_running_one_stay(cache: Path) -> None:
    ours = CalibrationFrames()
    script = (
        "import time\nfrom bisenetformer_ros.inference.calibration_frames import CalibrationFrames\n"
        "print(CalibrationFrames().path, flush=True)\ntime.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        (theirs / "000.jpg").touch()
        remove_abandoned_frames()
        assert set(cache.iterdir()) == {ours.path, theirs}
        process.send_signal(signal.SIGKILL)
    remove_abandoned_frames()
    assert list(cache.iterdir()) == [ours.path]
    ours.remove()
