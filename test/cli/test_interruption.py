"""Ctrl-C and SIGTERM end a command that works on a stream, which has no other end, with complete files."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_stream import live_stream
from patience import LIMIT_S

from bisenetformer_ros.bags.images import bag_images
from bisenetformer_ros.bags.reader import Bag

pytestmark = pytest.mark.skipif(
    cv2.CAP_FFMPEG not in cv2.videoio_registry.getBackends(), reason="this OpenCV has no FFmpeg"
)

SIZE = (48, 64)


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with live_stream(*SIZE) as address:
        yield address


def interrupt(number: signal.Signals, begun: Callable[[], bool], *arguments: str) -> str:
    """Send the signal to a command once it has `begun`, and return what it has printed."""
    command = [sys.executable, "-m", "bisenetformer_ros.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            deadline = time.monotonic() + LIMIT_S
            while not begun():
                assert process.poll() is None, process.stdout.read()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(number)
            output, _ = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    return output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_segment_keeps_whole_frames(number, camera: str, random_weights: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    options = ["--model", str(random_weights), "--score-threshold", "0", "--overlap-threshold", "0"]
    begun = lambda: len(list(out.glob("*_panoptic.png"))) >= 2  # noqa: E731
    output = interrupt(number, begun, "segment", camera, "--out", str(out), "--json", str(report), *options)
    content = json.loads((out / "panoptic.json").read_text())
    names = [image["file_name"] for image in content["images"]]
    assert len(names) >= 2
    assert f"interrupted: {len(names)} images segmented, 0 failed" in " ".join(output.split())
    assert json.loads(report.read_text())["num_segmented"] == len(names)
    for kind in ("label", "panoptic"):
        assert sorted(path.name for path in out.glob(f"*_{kind}.png")) == [f"{name}_{kind}.png" for name in names]
    for annotation in content["annotations"]:
        ids = cv2.imread(str(out / annotation["file_name"]))[..., ::-1].astype(int) @ [1, 256, 65536]
        assert {info["id"] for info in annotation["segments_info"]} == set(np.unique(ids)) - {0}
    assert not list(out.glob(".*"))


def test_make_bag_keeps_what_it_has_recorded(camera: str, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    has_begun = lambda: any(path.stat().st_size for path in tmp_path.rglob("*.mcap"))  # noqa: E731
    output = interrupt(signal.SIGINT, has_begun, "make-bag", camera, str(bag))
    assert "/camera/image_raw" in output
    with Bag(bag) as opened:
        assert opened.notes == []
        images = [image.read() for image in bag_images(bag, opened.messages(["/camera/image_raw"]))]
    assert len(images) >= 1
    assert {image.shape for image in images} == {(*SIZE, 3)}


def test_an_interrupted_bag_of_a_folder_is_removed(tmp_path: Path) -> None:
    folder, bag = tmp_path / "images", tmp_path / "bag"
    folder.mkdir()
    image = cv2.imencode(".png", np.zeros((1000, 1000, 3), np.uint8))[1].tobytes()
    for number in range(2000):
        (folder / f"{number:04d}.png").write_bytes(image)
    has_begun = lambda: any(path.stat().st_size for path in tmp_path.rglob("*.mcap"))  # noqa: E731
    interrupt(signal.SIGINT, has_begun, "make-bag", str(folder), str(bag), "--encoding", "png")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
