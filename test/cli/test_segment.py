import json
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.resources import SHIPPED_MODEL
from bisenetformer_ros.segmenter import Segmenter
from bisenetformer_ros.streets import StreetDrive

SIZE = (40, 60)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with two images and one file that only looks like one, in the middle."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "c.png"):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
    (folder / "b.png").write_bytes(b"not a picture")
    return folder


def segment(*inputs: Path, out: Path, model: Path, options: tuple[str, ...] = ()) -> int:
    paths = map(str, inputs)
    return main(["segment", *paths, "--out", str(out), "--model", str(model), "--device", "cpu", *options])


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_panoptic_files_of_an_image(pictures: Path, tmp_path: Path, random_weights: Path) -> None:
    out = tmp_path / "out"
    options = ("--score-threshold", "0", "--overlap-threshold", "0", "--names")
    assert segment(pictures / "a.png", out=out, model=random_weights, options=options) == 0
    assert names_in(out) == {"a_label.png", "a_overlay.png", "a_panoptic.png", "panoptic.json"}
    labels = cv2.imread(str(out / "a_label.png"), cv2.IMREAD_UNCHANGED)
    ids = cv2.imread(str(out / "a_panoptic.png"))[..., ::-1].astype(int) @ [1, 256, 65536]
    assert labels.shape == ids.shape == SIZE
    (annotation,) = json.loads((out / "panoptic.json").read_text())["annotations"]
    classes = {info["id"]: info["category_id"] for info in annotation["segments_info"]}
    assert len(classes) > 0
    np.testing.assert_array_equal(labels, np.vectorize(lambda i: classes.get(i, 255))(ids))


def test_semantic_has_no_panoptic_files(pictures: Path, tmp_path: Path, random_weights: Path) -> None:
    out = tmp_path / "out"
    assert segment(pictures / "a.png", out=out, model=random_weights, options=("--task", "semantic")) == 0
    assert names_in(out) == {"a_label.png", "a_overlay.png"}
    assert cv2.imread(str(out / "a_label.png"), cv2.IMREAD_UNCHANGED).max() < 11


def test_semantic_weights_need_no_task_and_warn_of_another(
    pictures: Path, tmp_path: Path, semantic_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    options = ("--json", str(report))
    assert segment(pictures / "a.png", out=out, model=semantic_weights, options=options) == 0
    assert names_in(out) == {"a_label.png", "a_overlay.png"}
    content = json.loads(report.read_text())
    assert (content["task"], content["task_warning"]) == ("semantic", "")
    assert "warning" not in capsys.readouterr().err
    assert segment(pictures / "a.png", out=out, model=semantic_weights, options=(*options, "--task", "panoptic")) == 0
    content = json.loads(report.read_text())
    assert (content["task"], content["task_warning"].split(":")[0]) == (
        "panoptic",
        "the weights were trained for the semantic task",
    )
    assert f"bisenetformer segment: warning: {content['task_warning']}\n" in capsys.readouterr().err


def test_an_unreadable_file_is_reported_and_the_others_are_segmented(
    pictures: Path, tmp_path: Path, random_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report = tmp_path / "out", tmp_path / "report.json"
    assert segment(pictures, out=out, model=random_weights, options=("--json", str(report))) == 1
    assert {"a_label.png", "c_label.png"} <= names_in(out)
    assert "b_label.png" not in names_in(out)
    assert "b.png cannot be read: it is corrupt or not an image" in capsys.readouterr().err
    content = json.loads(report.read_text())
    assert (content["num_segmented"], len(content["failures"]), content["frame_ms"]["count"]) == (2, 1, 2)
    assert (content["model"], content["task"], content["device"]) == ("random", "panoptic", "cpu")
    assert content["frame_ms"]["p50_ms"] > 0


def test_a_video_and_an_image_in_one_run(pictures: Path, tmp_path: Path, random_weights: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "drive.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (48, 32))
    for level in (50, 150):
        writer.write(np.full((32, 48, 3), level, np.uint8))
    writer.release()
    out = tmp_path / "out"
    drive = tmp_path / "drive.avi"
    assert segment(drive, pictures / "a.png", drive, out=out, model=random_weights) == 0
    content = json.loads((out / "panoptic.json").read_text())
    frames = ["drive_000000", "drive_000001"]
    again = ["drive_000000_2", "drive_000001_2"]
    assert [image["file_name"] for image in content["images"]] == [*frames, "a", *again]
    assert {path.stem.removesuffix("_overlay") for path in out.glob("*_overlay.*")} == {"drive", "a", "drive_2"}
    for name in ("drive", "drive_2"):
        video = cv2.VideoCapture(str(out / f"{name}_overlay.mp4"))
        assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS)) == (2, 10)
        assert video.get(cv2.CAP_PROP_FRAME_WIDTH) == 48


def test_things_keep_their_ids_in_a_video(tmp_path: Path, random_weights: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "drive.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (240, 180))
    for frame in StreetDrive(3, 4, size=(180, 240)):
        writer.write(frame.rgb[..., ::-1])
    writer.release()
    options = ("--score-threshold", "0.3", "--names", "--precision", "fp32")
    assert segment(tmp_path / "drive.avi", out=tmp_path / "out", model=Path(SHIPPED_MODEL), options=options) == 0
    track = Segmenter(SHIPPED_MODEL, device="cpu", precision="fp32", score_threshold=0.3).track()
    capture = cv2.VideoCapture(str(tmp_path / "drive.avi"))
    content = json.loads((tmp_path / "out" / "panoptic.json").read_text())
    things = []
    for annotation in content["annotations"]:
        result = track(capture.read()[1][..., ::-1])
        assert {info["id"] for info in annotation["segments_info"]} == {segment.id for segment in result.segments}
        things.append({segment.id for segment in result.segments if segment.is_thing})
    assert len(things) == 4
    assert things[0] & things[3], "some thing is seen from the first to the last frame"


def test_overlays_have_a_legend_below_the_image(pictures: Path, tmp_path: Path, random_weights: Path) -> None:
    """Nothing is found at these thresholds, so the image itself is above it."""
    options = ("--score-threshold", "1")
    assert segment(pictures / "a.png", out=tmp_path, model=random_weights, options=options) == 0
    overlay, image = cv2.imread(str(tmp_path / "a_overlay.png")), cv2.imread(str(pictures / "a.png"))
    np.testing.assert_array_equal(overlay[: SIZE[0]], image)
    assert len(overlay) > SIZE[0] + 10


def test_what_a_folder_contains_besides_is_reported(
    pictures: Path, tmp_path: Path, random_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "b.png").unlink()
    (pictures / "c.JPG").write_bytes(cv2.imencode(".jpg", np.zeros((*SIZE, 3), np.uint8))[1].tobytes())
    (pictures / "notes.txt").touch()
    assert segment(pictures, out=tmp_path / "out", model=random_weights, options=("--task", "semantic")) == 0
    assert f"skipped in {pictures}: 1 label image (c.png) and 1 other (notes.txt)\n" in capsys.readouterr().out


def test_images_of_the_same_name_do_not_overwrite_each_other(
    pictures: Path, tmp_path: Path, random_weights: Path
) -> None:
    out = tmp_path / "out"
    image = pictures / "a.png"
    assert segment(image, image, image, out=out, model=random_weights, options=("--task", "semantic")) == 0
    assert {"a_label.png", "a_2_label.png", "a_3_label.png"} <= names_in(out)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--score-threshold", "1.2"), "expected a number of 0..1, got 1.2"),
        (("--overlap-threshold", "nan"), "expected a number of 0..1, got nan"),
        (("--task", "instance"), "invalid choice: 'instance'"),
    ],
)
def test_wrong_options_exit_with_2(
    options: tuple[str, ...], complaint: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["segment", str(pictures), *options])
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_missing_files_exit_with_2(
    pictures: Path, tmp_path: Path, random_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(tmp_path / "nowhere", out=tmp_path / "out", model=random_weights) == 2
    assert "nowhere: no such file or folder" in capsys.readouterr().err
    assert segment(pictures, out=tmp_path / "out", model=tmp_path / "none.safetensors") == 2
    assert "none.safetensors' is neither a file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_whole_files(
    pictures: Path, tmp_path: Path, random_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    cv2.imwrite(str(pictures / "c.png"), np.random.default_rng(1).integers(0, 256, (400, 600, 3), dtype=np.uint8))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # too small for the overlay of c.png
    try:
        assert segment(pictures, out=out, model=random_weights) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "c_overlay.png (File too large): check that" in capsys.readouterr().err
    assert names_in(out) == {"a_label.png", "a_overlay.png", "a_panoptic.png", "c_label.png", "panoptic.json"}
    assert [image["file_name"] for image in json.loads((out / "panoptic.json").read_text())["images"]] == ["a"]
