from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.benchmark.frames import NUM_CALIBRATION, NUM_FRAMES, load_calibration, load_frames
from bisenetformer_ros.errors import EngineError

SIZE = (24, 40)


def write_grays(folder: Path, count: int) -> None:
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:02}.png"), np.full((12, 20, 3), number, np.uint8))


def grays(frames: list[np.ndarray]) -> list[int]:
    assert {frame.shape for frame in frames} == {(*SIZE, 3)}
    return [int(frame.mean()) for frame in frames]


def test_measured_frames_are_not_calibrated_on(tmp_path: Path) -> None:
    write_grays(tmp_path, 20)
    assert grays(load_frames(str(tmp_path), SIZE)) == list(range(NUM_FRAMES))
    assert grays(load_calibration(str(tmp_path), SIZE)) == list(range(NUM_FRAMES, NUM_FRAMES + NUM_CALIBRATION))


def test_too_few_frames_to_calibrate_are_an_error(tmp_path: Path) -> None:
    write_grays(tmp_path, NUM_FRAMES)
    with pytest.raises(EngineError, match=f"has no more than {NUM_FRAMES}"):
        load_calibration(str(tmp_path), SIZE)


def test_generated_streets_differ_and_are_reproducible() -> None:
    frames = [*load_frames(None, SIZE), *load_calibration(None, SIZE)]
    assert len({frame.tobytes() for frame in frames}) == NUM_FRAMES + NUM_CALIBRATION
    np.testing.assert_array_equal(frames, [*load_frames(None, SIZE), *load_calibration(None, SIZE)])
