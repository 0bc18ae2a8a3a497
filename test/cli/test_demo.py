"""The demo from end to end with real processes on a real graph, and its error messages."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from patience import LIMIT_S
from PIL import Image

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.metrics.mean_iou import MeanIoU
from bisenetformer_ros.replay import session
from bisenetformer_ros.segmenter import Segmenter

pytest.importorskip("bisenetformer_ros.msg", reason="ROS 2 is not sourced: source tools/env.sh")

SIZE = (96, 128)
FRAMES = 12


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of coloured noise in `a folder`, and labels of noise in its subfolder `labels`."""
    folder = tmp_path_factory.mktemp("footage") / "a folder; echo 'it is'"
    (folder / "labels").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(FRAMES):
        patches = rng.integers(0, 256, (6, 8, 3), np.uint8)
        rgb = cv2.resize(patches, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:02d}.png"), rgb)
        labels = np.kron(rng.integers(0, 12, (6, 8), np.uint8), np.ones((16, 16), np.uint8))  # 11 is unlabelled
        cv2.imwrite(str(folder / "labels" / f"{number:02d}.png"), labels)
    return folder


@pytest.fixture
def demo(footage: Path, random_weights: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the demo as a process of its own; its output goes to tmp_path/output.txt."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "bisenetformer_ros.cli", "demo", "--source", str(footage)]
        command += ["--model", str(random_weights), "--out", str(tmp_path / "out"), *arguments]
        with open(tmp_path / "output.txt", "w") as output:
            started.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def children(process: subprocess.Popen[str]) -> dict[int, str]:
    """Process id → command line."""
    ids = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    commands = {int(child): Path(f"/proc/{child}/cmdline") for child in ids}
    return {child: path.read_text().replace("\0", " ") for child, path in commands.items() if path.exists()}


def alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {LIMIT_S:g} s"
        time.sleep(0.1)


def test_numbers_and_files_of_a_drive(footage: Path, random_weights: Path, tmp_path: Path, capsys) -> None:
    out, result = tmp_path / "out", tmp_path / "result.json"
    arguments = ["--source", str(footage), "--labels", str(footage / "labels"), "--model", str(random_weights)]
    arguments += ["--task", "semantic", "--rate", "2", "--out", str(out), "--json", str(result)]
    assert main(["demo", *arguments]) == 0

    content = json.loads(result.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    frames = content["frames"]
    assert frames["sent"] == FRAMES == content["outputs"]["camera"]
    assert frames["received"] + sum(frames["dropped"].values()) == FRAMES
    assert frames["received"] == content["outputs"]["mask"] > 0
    assert content["outputs"]["panoptic"] == 0  # the semantic task has no such topic
    assert content["strays"] == []
    assert content["notes"] == ["not taken as images: 1 other (labels/)"]
    assert content["node"]["model"] == "random"
    assert (content["node"]["task"], content["task_warning"]) == ("semantic", "")
    assert content["image_size"] == list(SIZE)
    latency = content["latency_ms"]
    assert 0 < latency["inference"]["p50_ms"] <= latency["total"]["p50_ms"] <= latency["total"]["p99_ms"]

    segmenter = Segmenter(random_weights, task="semantic", precision=content["node"]["precision"])
    scores = content["scores"]["frame_miou"]
    assert len(scores) == frames["received"]
    for name, miou in scores.items():
        rgb = cv2.cvtColor(cv2.imread(str(footage / f"{name}.png")), cv2.COLOR_BGR2RGB)
        truth = cv2.imread(str(footage / "labels" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        expected = MeanIoU(11, ignore_index=11)
        expected.update(segmenter(rgb).label_map, truth)
        assert miou == pytest.approx(expected.result().miou, abs=1e-3)

    printed = capsys.readouterr()
    assert printed.out.count(str(out / "report.html")) == 1
    assert content["notes"][0] in printed.err
    assert 0 < (out / "drive.webp").stat().st_size < 5_000_000
    with Image.open(out / "drive.webp") as animation:  # with headings above, a gap between, and a legend below
        assert animation.height > SIZE[0] + 20
        assert 2 * SIZE[1] < animation.width < 2 * SIZE[1] + 10
    assert cv2.imread(str(out / "label_1.png")).shape == (*SIZE, 3)
    for picture in ("overlay_1.png", "colors_1.png"):  # with a legend below
        height, width, _ = cv2.imread(str(out / picture)).shape
        assert height > SIZE[0] + 10
        assert width == SIZE[1]
    report = (out / "report.html").read_text()
    assert f"{frames['received']} of {FRAMES}" in report
    assert f"{100 * content['scores']['miou']:.1f}" in report


def test_a_generated_drive_comes_with_instances_that_are_tracked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    arguments = ["--source", "drive:3,8", "--frames", "6", "--rate", "2", "--out", str(tmp_path)]
    assert main(["demo", *arguments, "--json", str(result)]) == 0
    content = json.loads(result.read_text())
    assert content["frames"]["sent"] == 6
    assert content["notes"] == []
    assert content["outputs"]["panoptic"] > 0
    assert content["scores"]["exact_instances"] is True
    assert set(content["scores"]["panoptic"]) == {"all", "things", "stuff", "per_class"}
    names = content["scores"]["frame_miou"]
    assert set(names) <= {f"{number:05d}_drive{3 if number < 3 else 8}" for number in range(6)}
    tracking = content["scores"]["tracking"]
    assert 0 < tracking["aq"] < 1
    assert 0 < tracking["sq"] < 1
    assert tracking["stq"] == pytest.approx((tracking["aq"] * tracking["sq"]) ** 0.5)
    summary = f"Tracking: STQ {100 * tracking['stq']:.1f}"
    printed = " ".join(capsys.readouterr().out.split())
    assert summary in printed
    report = (tmp_path / "report.html").read_text()
    assert summary in report

    boxes = content["scores"]["boxes_3d"]
    assert 0 < boxes["frames"] <= content["frames"]["received"]
    assert boxes["things"] > boxes["found"] > 0
    assert 0 < boxes["median_center_error"] < 0.5
    summary = f"3D boxes: {boxes['found']} of {boxes['things']} things found"
    assert summary in printed
    assert summary in report
    assert 1 <= report.count('class="view"') <= 3
    assert report.count('class="estimated"') == report.count('class="id"') > 0
    assert "<h2>Tracks</h2>" in report


def test_panoptic_results_of_semantic_weights_come_with_a_warning(
    footage: Path, semantic_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result.json"
    arguments = ["--source", str(footage), "--frames", "2", "--rate", "2", "--model", str(semantic_weights)]
    assert main(["demo", *arguments, "--task", "panoptic", "--out", str(tmp_path), "--json", str(result)]) == 0
    warnings = (
        json.loads(result.read_text())["task_warning"],
        capsys.readouterr().err,
        (tmp_path / "logs" / "node.log").read_text(),
        re.findall('<p class="warning">(.*?)</p>', (tmp_path / "report.html").read_text())[0],
    )
    assert [text.count("the weights were trained for the semantic task") for text in warnings] == [1] * 4


def test_a_killed_node_is_reported_with_the_end_of_its_log_and_no_process_is_left(demo, tmp_path: Path) -> None:
    process = demo("--rate", "0.1")
    log = tmp_path / "out" / "logs" / "node.log"
    wait_for(lambda: log.is_file() and "subscribed to" in log.read_text(), "the node's start")
    processes = children(process)
    (node,) = [child for child, command in processes.items() if "bisenetformer_ros.cli node" in command]
    os.kill(node, signal.SIGKILL)
    assert process.wait(LIMIT_S) == 1
    output = " ".join((tmp_path / "output.txt").read_text().split())
    assert "failed: the node process was killed by SIGKILL" in output
    assert "subscribed to /camera/image_raw" in output
    assert len(processes) == 3
    assert not any(alive(child) for child in processes)


@pytest.mark.parametrize(("how", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_no_process_outlives_the_demo(demo, how: signal.Signals, exit_code: int) -> None:
    process = demo("--rate", "0.1")
    wait_for(lambda: len(children(process)) == 3, "the start of three processes")
    processes = children(process)
    process.send_signal(how)
    assert process.wait(LIMIT_S) == exit_code
    wait_for(lambda: not any(alive(child) for child in processes), "the end of all processes")


def test_the_node_explains_a_model_that_cannot_be_loaded(footage: Path, tmp_path: Path, capsys) -> None:
    weights = tmp_path / "broken.safetensors"
    weights.write_bytes(b"not a model")
    assert main(["demo", "--source", str(footage), "--model", str(weights), "--out", str(tmp_path / "out")]) == 1
    output = " ".join(capsys.readouterr().err.split())
    assert "failed: the node reports: could not configure" in output
    assert "broken.safetensors" in output.replace(" ", "")  # the terminal breaks long paths


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "nowhere/at all"], "nowhere/at all: no such file or folder; expected an image"),
        (["--source", "webcam:99"], "cannot open webcam '99'; devices on this machine:"),
        (["--source", "drive:three"], "expected drive:SEED"),
        (["--source", "SELF", "--labels", "SELF"], "expected a folder with label images NAME.png"),
        (["--source", "SELF"], "no images there; expected files ending in"),
        (["--source", "SELF", "--topic", "/image"], "--topic /image: expected a rosbag2, got"),
    ],
)
def test_a_source_that_cannot_be_played_is_misuse(
    arguments, message, random_weights: Path, tmp_path: Path, capsys
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = [str(empty) if argument == "SELF" else argument for argument in arguments]
    assert main(["demo", *arguments, "--model", str(random_weights), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_model_is_misuse(capsys) -> None:
    assert main(["demo", "--model", "no-such-model"]) == 2
    assert "model 'no-such-model' is neither a file nor one of the shipped models" in capsys.readouterr().err


def test_a_camera_that_never_starts_is_explained(
    footage: Path, random_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(session, "LISTENERS", 3)  # of which there are two
    monkeypatch.setattr(session, "START_WITHIN_S", 6.0)
    arguments = ["--source", str(footage), "--model", str(random_weights), "--out", str(tmp_path)]
    assert main(["demo", *arguments]) == 1
    output = " ".join(capsys.readouterr().err.split())
    assert re.search(
        r"failed: the camera (sent no frame|did not open its source) within 6 s; the (node|camera)", output
    )
