import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.file_names import printable, utf8_path
from bisenetformer_ros.images.sources import open_source
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.reports.page import page

NAME = os.fsdecode(b"stra\xdfe")
GREY = np.full((32, 48, 3), 90, np.uint8)


def write(path: Path, image: np.ndarray = GREY) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (48, 32))
    for _ in range(2):
        writer.write(GREY)
    writer.release()
    return (tmp_path / "a.avi").rename(tmp_path / f"{NAME}.avi")


def test_other_bytes_are_escaped() -> None:
    assert printable(Path(f"{NAME}.png")) == "stra\\udcdfe.png"
    assert printable("Stra\u00dfe") == "Stra\u00dfe"
    assert "stra\\udcdfe" in page(NAME, "", [])


def test_every_file_has_a_path_in_utf8(tmp_path: Path) -> None:
    for name in ("plain", NAME):
        (tmp_path / name).write_text(printable(name), encoding="utf-8")
        with utf8_path(tmp_path / name) as path:
            assert Path(path).read_text(encoding="utf-8") == printable(name)


def test_videos_are_played(video: Path) -> None:
    frames = list(open_source(video).frames)
    assert [frame.name for frame in frames] == [f"{NAME}_000000", f"{NAME}_000001"]
    np.testing.assert_allclose(frames[1].read(), GREY, atol=3)


def test_weights_are_read(tmp_path: Path, random_weights: Path) -> None:
    path = tmp_path / f"{NAME}.SAFETENSORS"
    path.write_bytes(random_weights.read_bytes())
    assert load_checkpoint(path)[1] == load_checkpoint(random_weights)[1]


def test_segment_and_make_bag_keep_the_names(
    tmp_path: Path, video: Path, random_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    write(folder / f"{NAME}.jpg")
    write(folder / f"{NAME}.png", GREY[..., 0] // 30)
    out = tmp_path / f"{NAME}_out"
    options = ["--out", str(out), "--model", str(random_weights), "--device", "cpu", "--task", "semantic"]
    assert main(["segment", str(folder), str(video), *options]) == 0
    assert {path.name for path in out.glob("*_label.png")} == {
        f"{NAME}_label.png",
        f"{NAME}_000000_label.png",
        f"{NAME}_000001_label.png",
    }
    assert "1 label image (stra\\udcdfe.png)" in capsys.readouterr().out
    pytest.importorskip("rosbags")
    assert main(["make-bag", str(folder), str(tmp_path / f"{NAME}_bag")]) == 0
    assert "/labels/mask" in capsys.readouterr().out


def test_messages_reach_a_strict_terminal(tmp_path: Path) -> None:
    """A terminal whose encoding is UTF-8 rejects surrogates."""
    (tmp_path / f"{NAME}.jpg").write_bytes(b"")
    recipe = "name: a\narchitecture: {name: bisenetformer-nano}\nlabels: camvid11\niterations: 1\ncrop_size: [32, 32]\n"
    (tmp_path / "train").mkdir()
    for name in ("a", NAME):
        write(tmp_path / "train" / f"{name}.png", GREY[..., 0] // 30)
        (tmp_path / "train" / f"{name}.jpg").write_bytes(b"")
    (tmp_path / "recipe.yaml").write_text(f"{recipe}sources: [{{kind: camvid}}]\n", encoding="utf-8")
    command = [sys.executable, "-m", "bisenetformer_ros.cli", "train", "--config", str(tmp_path / "recipe.yaml")]
    done = subprocess.run(
        [*command, "--root", str(tmp_path), "--check-data"],
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert f"{tmp_path}/train/stra\\udcdfe.jpg is empty" in done.stdout
