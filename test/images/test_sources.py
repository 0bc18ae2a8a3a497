from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from live_stream import live_stream
from printed_commands import commands_in

from bisenetformer_ros.errors import InputError
from bisenetformer_ros.images.sources import open_source, sample_images

RED = (255, 0, 0)


def write_image(path: Path, rgb: tuple[int, int, int] = RED, size: tuple[int, int] = (6, 8)) -> Path:
    cv2.imwrite(str(path), np.full((*size, 3), rgb[::-1], np.uint8))
    return path


def test_images_are_rgb(tmp_path: Path) -> None:
    source = open_source(write_image(tmp_path / "red.png"))
    (frame,) = source.frames
    assert (source.num_frames, frame.name) == (1, "red")
    np.testing.assert_array_equal(frame.read(), np.full((6, 8, 3), RED, np.uint8))


def test_grey_and_sixteen_bit_images_become_rgb8(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((4, 5), 0x8000, np.uint16))
    (frame,) = open_source(tmp_path / "deep.png").frames
    np.testing.assert_array_equal(frame.read(), np.full((4, 5, 3), 128, np.uint8))


def test_folders_are_sorted_by_name_and_filtered(tmp_path: Path) -> None:
    for name in ("b.png", "a.PNG", "c.jpg"):
        write_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "deeper.png").mkdir()
    source = open_source(tmp_path)
    assert source.num_frames == 3
    assert [frame.name for frame in source.frames] == ["a", "b", "c"]


@pytest.mark.parametrize(("jpeg", "png"), [(".jpg", ".png"), (".JPG", ".png"), (".jpeg", ".PNG"), (".JPEG", ".Png")])
def test_label_images_beside_photographs_are_skipped(tmp_path: Path, jpeg: str, png: str) -> None:
    for name in (f"a{jpeg}", f"a{png}", f"b{jpeg}", f"b{png}", f"c{png}"):
        write_image(tmp_path / name)
    source = open_source(tmp_path)
    assert source.num_frames == 3
    assert [frame.name for frame in source.frames] == ["a", "b", "c"]
    assert source.skipped == f"2 label images (a{png}, b{png})"


def test_what_is_skipped_is_counted_and_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png"):
        write_image(tmp_path / name)
    assert open_source(tmp_path / "a.jpg").skipped == open_source(tmp_path / "a.j*").skipped == ""
    for name in ("notes.txt", "drive.mp4", "._a.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    found = "1 label image (a.png) and 4 others (._a.jpg, deeper/, drive.mp4, notes.txt)"
    assert open_source(tmp_path).skipped == found
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"no images there, only 4 others \(._a\.jpg, deeper/"):
        open_source(tmp_path)


def test_patterns_select_images_of_a_folder(tmp_path: Path) -> None:
    for name in ("left_1.jpg", "left_0.jpg", "left_0.txt", "right_0.jpg"):
        write_image(tmp_path / name) if name.endswith("jpg") else (tmp_path / name).touch()
    assert [frame.name for frame in open_source(tmp_path / "left_*").frames] == ["left_0", "left_1"]
    with pytest.raises(InputError, match="no images there"):
        open_source(tmp_path / "rear_*.jpg")


def test_a_corrupt_image_does_not_affect_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not a picture")
    write_image(tmp_path / "b.png")
    broken, fine = open_source(tmp_path).frames
    with pytest.raises(InputError, match=r"a\.png cannot be read: it is corrupt or not an image"):
        broken.read()
    assert fine.read().shape == (6, 8, 3)


def test_video_frames_are_in_order(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "drive.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 16))
    levels = [20, 120, 220]
    for level in levels:
        writer.write(np.full((16, 32, 3), (0, 0, level), np.uint8))
    writer.release()
    source = open_source(tmp_path / "drive.avi")
    frames = list(source.frames)
    assert source.num_frames == 3
    assert [frame.name for frame in frames] == ["drive_000000", "drive_000001", "drive_000002"]
    np.testing.assert_allclose([frame.read()[..., 0].mean() for frame in frames], levels, atol=10)
    assert max(frame.read()[..., 2].mean() for frame in frames) < 20


def test_a_corrupt_video_is_one_unreadable_frame(tmp_path: Path) -> None:
    (tmp_path / "drive.mp4").write_bytes(b"not a video")
    (frame,) = open_source(tmp_path / "drive.mp4").frames
    assert frame.name == "drive"
    with pytest.raises(InputError, match=r"drive\.mp4 cannot be read: it is corrupt, or neither"):
        frame.read()


@pytest.mark.parametrize("name", ["drive.mcap", "drive.DB3", "drive.bag", "drive/drive_0.mcap"])
def test_a_bag_is_named_with_the_command_for_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"")
    bag = tmp_path / Path(name).parts[0]
    with pytest.raises(InputError, match=f"{bag}: a rosbag, expected images or a video; to segment") as error:
        open_source(bag)
    assert commands_in(str(error.value)) == [
        ["bisenetformer", "evaluate-bag", str(bag), "--write-bag", "drive_results"]
    ]


def test_missing_and_empty_paths_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no images there"):
        open_source(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Address of an HTTP server of the folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()


@pytest.mark.skipif(cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends(), reason="this OpenCV has no FFmpeg")
def test_videos_are_played_from_addresses(tmp_path: Path, server: str) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "drive.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 16))
    for level in (20, 220):
        writer.write(np.full((16, 32, 3), level, np.uint8))
    writer.release()
    frames = list(open_source(f"{server}/drive.avi?token=1").frames)
    assert [frame.name for frame in frames] == ["drive_000000", "drive_000001"]
    assert frames[1].read().mean() == pytest.approx(220, abs=5)
    for address in (f"{server}/none.avi", "rtsp://127.0.0.1:9/stream"):
        with pytest.raises(InputError, match=f"{address} cannot be opened: it is unreachable, or"):
            open_source(address)
    assert [image.mean() for image in sample_images(f"{server}/drive.avi", 1)] == pytest.approx([20], abs=5)


@pytest.mark.skipif(cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends(), reason="this OpenCV has no FFmpeg")
def test_the_next_images_of_a_live_stream_are_sampled() -> None:
    with live_stream(6, 8) as address:
        assert [image.shape for image in sample_images(address, 3)] == [(6, 8, 3)] * 3


def test_samples_are_spread_over_a_folder(tmp_path: Path) -> None:
    for level in range(10):
        write_image(tmp_path / f"{level}.png", (10 * level,) * 3)
    assert [image[0, 0, 0] for image in sample_images(tmp_path, 4)] == [0, 30, 60, 90]
    assert len(list(sample_images(tmp_path, 20))) == 10
