import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.images.sources import open_source
from bisenetformer_ros.images.video import VideoFile

pytestmark = pytest.mark.skipif(
    cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends(), reason="this OpenCV has no FFmpeg"
)


def grey(level: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*size, 3), level, np.uint8)


def frames_of(path: Path) -> list[np.ndarray]:
    return [frame.read() for frame in open_source(path).frames]


def test_frames_and_rate_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    red = grey(0) + np.array([200, 0, 0], np.uint8)
    with VideoFile(path, 12.5) as video:
        for rgb in (grey(20), red, grey(220)):
            video.write(rgb)
        assert not path.exists()
    frames = list(open_source(path).frames)
    assert [frame.video.rate_hz for frame in frames] == [12.5] * 3
    means = [frame.read().mean(axis=(0, 1)) for frame in frames]
    np.testing.assert_allclose(means, [[20] * 3, [200, 0, 0], [220] * 3], atol=8)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("name", ["stra\udcdfe", "stra\u00dfe"])
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with VideoFile(folder / f"{name}.mp4", 10) as video:
        video.write(grey(90))
    assert len(frames_of(folder / f"{name}.mp4")) == 1


def test_sizes_that_are_odd_or_change(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "a.mp4", 10) as video:
        for size in ((33, 47), (33, 47), (70, 80)):
            video.write(grey(100, size))
    frames = frames_of(tmp_path / "a.mp4")
    assert [frame.shape for frame in frames] == [(32, 46, 3)] * 3
    assert np.abs(frames[2].astype(int) - 100).max() < 8


def test_an_error_leaves_the_frames_until_then(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), VideoFile(tmp_path / "a.mp4", 10) as video:
        video.write(grey(1))
        raise KeyboardInterrupt
    assert len(frames_of(tmp_path / "a.mp4")) == 1


def test_two_at_a_time(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "a.mp4", 10) as one, VideoFile(tmp_path / "b.mp4", 10) as other:
        one.write(grey(30))
        other.write(grey(200))
    assert [round(frames_of(tmp_path / f"{name}.mp4")[0].mean(), -1) for name in "ab"] == [30, 200]


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    with VideoFile(tmp_path / "a.mp4", 10):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_and_leaves_the_old_file(tmp_path: Path) -> None:
    """OpenCV writes on as if nothing had happened."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"a\.mp4: it has 0 of 20 frames; is the disk"), VideoFile(path, 10) as video:
            for shift in range(20):
                video.write(np.roll(noise, shift, axis=0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
