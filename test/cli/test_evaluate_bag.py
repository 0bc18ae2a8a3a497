"""The command from end to end, including the live node."""

import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.writer import Writer

from bisenetformer_ros.bags.images import LABEL_DECODERS, bag_images
from bisenetformer_ros.bags.message_types import message_types, messages
from bisenetformer_ros.bags.reader import Bag
from bisenetformer_ros.bags.recorder import BagFormat, DriveRecorder
from bisenetformer_ros.bags.writer import BagWriter
from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.segmenter import Segmenter

SIZE = (64, 96)
needs_ros = pytest.mark.skipif(
    find_spec("bisenetformer_ros.msg") is None, reason="ROS 2 is not sourced: source tools/env.sh"
)
LABELED = ("--label-topic", "/labels/mask", "--instance-topic", "/labels/instances")


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def drive(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames whose labels are what the untrained network says, but for a quarter of the last one."""
    path = tmp_path_factory.mktemp("bags") / "drive"
    segmenter = Segmenter(random_weights, task="semantic", precision="fp32")
    with DriveRecorder(path, BagFormat("sqlite3"), LabelMap.load("camvid11"), has_instances=True) as recorder:
        for number, rgb in enumerate(pictures(3)):
            labels = segmenter(rgb).label_map.copy()
            if number == 2:
                labels[:32, :48] = (labels[:32, :48] + 1) % 11
            recorder.add(1_000_000_000 + number * 100_000_000, rgb, labels, np.ones(SIZE, np.uint16))
    return path


@pytest.fixture
def evaluate(random_weights: Path, tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Returns the exit code and what --json wrote. The precision is not measured, unless the arguments say so."""
    options = ("--model", str(random_weights), "--precision", "fp32")

    def run(bag: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
        file = tmp_path / "measured.json"
        code = main(["evaluate-bag", str(bag), *options, "--json", str(file), *arguments])
        return code, json.loads(file.read_text()) if file.exists() else {}

    return run


def test_a_labeled_bag_is_measured_and_reported(drive, evaluate, tmp_path, capsys) -> None:
    code, measured = evaluate(drive, *LABELED, "--task", "semantic", "--report", str(tmp_path / "report"))
    assert code == 0
    assert measured["frames"] == {"read": 3, "segmented": 3, "dropped": {}, "missing_by_stamps": 0, "labeled": 3}
    assert measured["pixel_accuracy"] == pytest.approx(1 - 0.25 / 3)
    assert [frame["miou"] == 1.0 for frame in measured["per_frame"]] == [True, True, False]
    assert measured["panoptic"] is None
    assert measured["play"] is None
    output, progress = capsys.readouterr()
    assert f"{100 * measured['miou']:.1f}" in output
    assert progress.splitlines()[-1].rstrip().endswith(f"mIoU so far {100 * measured['miou']:.1f}")
    assert "Temporal consistency" in output
    assert "report.html" in output
    assert "Worst frames" in (tmp_path / "report" / "report.html").read_text()


def test_labels_of_other_classes_are_named(evaluate, tmp_path, capsys) -> None:
    """As raw ids that were never mapped to classes."""
    values = np.full(SIZE, 30, np.uint8)
    values[:4], values[4:8] = 255, 2
    bag = tmp_path / "raw ids"
    with DriveRecorder(bag, BagFormat(), LabelMap.load("camvid11"), has_instances=False) as recorder:
        recorder.add(1_000_000_000, pictures(1)[0], values, None)
    code, measured = evaluate(bag, *LABELED[:2], "--image-topic", "/camera/image_raw")
    assert code == 0
    assert measured["ignored_label_values"] == {"30": 56 * 96}
    assert "class ids 0 to 10 are ignored: 30 (5376 pixels)" in " ".join(capsys.readouterr().out.split())


def test_semantic_weights_need_no_task_and_warn_of_another(drive, evaluate, semantic_weights, tmp_path, capsys) -> None:
    arguments = ("--image-topic", "/camera/image_raw", "--model", str(semantic_weights), "--report", str(tmp_path))
    for options, model, num_warnings in (
        ((), "meadow (semantic)", 0),
        (("--task", "panoptic"), "meadow (panoptic)", 1),
    ):
        code, measured = evaluate(drive, *arguments, *options)
        assert (code, measured["model"]) == (0, model)
        warnings = (measured["task_warning"], (tmp_path / "report.html").read_text(), capsys.readouterr().err)
        assert [text.count("trained for the semantic task") for text in warnings] == [num_warnings] * 3
    assert evaluate(drive, *arguments, "--fail-under", "panoptic_consistency=0")[0] == 2
    assert "--fail-under panoptic_consistency needs --task panoptic" in capsys.readouterr().err


def test_only_measures_below_their_limits_fail(drive, evaluate, capsys) -> None:
    _, measured = evaluate(drive, *LABELED, "--task", "semantic")
    least, more = str(measured["miou"] - 0.01), str(measured["miou"] + 0.01)
    assert evaluate(drive, *LABELED, "--task", "semantic", "--fail-under", f"miou={least}")[0] == 0
    capsys.readouterr()
    limits = ["--fail-under", f"miou={more}", "--fail-under", "consistency=0"]
    assert evaluate(drive, *LABELED, "--task", "semantic", *limits)[0] == 1
    assert f"miou is {measured['miou']:.4f}, expected at least {float(more):g}" in capsys.readouterr().err


def test_results_are_added_to_a_copy_of_the_bag(drive, evaluate, tmp_path) -> None:
    assert evaluate(drive, "--image-topic", "/camera/image_raw", "--write-bag", str(tmp_path / "out"))[0] == 0
    with Bag(tmp_path / "out") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert (counts["/camera/image_raw"], counts["/bisenetformer/panoptic"], counts["/labels/mask"]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--instance-topic", "/labels/instances"], "--instance-topic needs --label-topic"),
        (["--rate", "0.5"], "--rate needs --play"),
        (["--fail-under", "miou=0.5"], "--fail-under miou needs labels"),
        ([*LABELED, "--task", "semantic", "--fail-under", "pq=0.5"], "--fail-under pq needs --task panoptic"),
        ([], "3 image topics; expected one, or its name in --image-topic. The bag holds:\n  /camera/camera_info"),
        (["--image-topic", "/rear"], "there is no topic /rear (--image-topic). The bag holds:"),
        (["--image-topic", "/camera/camera_info"], "is of type sensor_msgs/msg/CameraInfo, expected"),
        (["--label-topic", "/truth", "--image-topic", "/camera/image_raw"], "no topic /truth (--label-topic)"),
        (["--image-topic", "/camera/image_raw", "--write-bag", "."], "already exists"),
    ],
)
def test_misuse_is_rejected_before_the_model_is_loaded(drive, capsys, arguments, problem) -> None:
    assert main(["evaluate-bag", str(drive), "--model", "no such model", *arguments]) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["miou", "miou=", "miou=1.5", "accuracy=0.5", "miou=high"])
def test_invalid_limits_are_rejected(drive, capsys, limit) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate-bag", str(drive), *LABELED, "--fail-under", limit])
    assert ended.value.code == 2


def test_the_error_for_a_damaged_bag_lists_its_topics(drive, tmp_path, capsys) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "metadata.yaml").write_bytes((drive / "metadata.yaml").read_bytes())
    data = (drive / "drive.db3").read_bytes()
    (cut / "drive.db3").write_bytes(data[: len(data) // 2])
    assert main(["evaluate-bag", str(cut)]) == 2
    message = capsys.readouterr().err
    assert "Its metadata.yaml lists:\n" in message
    assert "/camera/image_raw    sensor_msgs/msg/Image       3 messages" in message
    assert "Traceback" not in message


@pytest.fixture
def raw_bag(tmp_path: Path) -> Path:
    """rgb8, padded bgr8, mono8, an image that cannot be decoded, and a last one."""
    rgb, *others = pictures(5)
    images = [messages.image(messages.header(n * 200_000_000, "front"), rgb) for n in range(5)]
    padded = np.pad(others[0][..., ::-1].reshape(SIZE[0], -1), ((0, 0), (0, 5)))
    images[1].encoding, images[1].step, images[1].data = "bgr8", padded.shape[1], padded.ravel()
    images[2].encoding, images[2].step, images[2].data = "mono8", SIZE[1], others[1][..., 0].ravel()
    images[3].encoding = "32FC1"
    images[4].data = others[3].ravel()
    return write(tmp_path / "raw", "/front/image", images)


@pytest.fixture
def compressed_bag(tmp_path: Path) -> Path:
    """JPEG, a PNG, a JPEG that is cut, and two more."""
    kinds = ("jpeg", "png", "jpeg", "jpeg", "jpeg")
    files = [cv2.imencode(f".{kind}", rgb)[1].tobytes() for kind, rgb in zip(kinds, pictures(5), strict=True)]
    files[2] = files[2][:-20]
    heads = [messages.header(n * 200_000_000, "front") for n in range(5)]
    images = [messages.compressed_image(*entry) for entry in zip(heads, kinds, files, strict=True)]
    return write(tmp_path / "compressed", "/front/image/compressed", images)


def write(path: Path, topic: str, images: list[Any]) -> Path:
    with BagWriter(path, "mcap", "message") as writer:
        writer.add_topic(topic, images[0].__msgtype__)
        for number, image in enumerate(images):
            writer.write(topic, number * 200_000_000, image)
    return path


def test_the_significant_bits_of_16_bit_images_are_given(evaluate, tmp_path) -> None:
    """With trained weights, as the random ones say the same of dark images."""
    model = "bisenetformer-nano-camvid"
    grey = [rgb[..., 0] for rgb in pictures(2)]
    samples = [np.round(image * (4095 / 255)).astype(np.uint16) for image in grey]
    images = [messages.image(messages.header(n * 200_000_000), image) for n, image in enumerate(samples)]
    bag = write(tmp_path / "grey", "/camera/image_raw", images)
    segment = Segmenter(model, task="semantic", precision="fp32")

    def confidences(*arguments: str) -> list[np.ndarray]:
        out = tmp_path / "_".join(["out", *arguments])
        options = ("--model", model, "--task", "semantic", "--report", str(tmp_path / "report"))
        assert evaluate(bag, *options, "--write-bag", str(out), *arguments)[0] == 0
        with Bag(out) as results:
            images = bag_images(out, results.messages(["/bisenetformer/confidence"]), LABEL_DECODERS)
            return [image.read() for image in images]

    expected = [segment(np.dstack([image] * 3)).confidence for image in grey]
    np.testing.assert_array_equal(confidences("--bit-depth", "12"), expected)
    assert (np.array(confidences()) != expected).any()


def play(evaluate, bag: Path, rate: str) -> dict[str, Any]:
    """Low thresholds, so that the untrained network finds segments."""
    thresholds = ("--score-threshold", "0", "--overlap-threshold", "0.3")
    code, measured = evaluate(bag, "--play", "--rate", rate, "--precision", "auto", *thresholds)
    assert code == 0
    played = measured["play"]
    assert (played["identical"], played["differences"], played["frames"]["sent"]) == (True, [], 5)
    assert played["frames"]["received"] + sum(played["frames"]["dropped"].values()) == 5
    assert played["compared"].keys() == {"mask", "confidence", "panoptic"}
    return measured


@needs_ros
def test_the_live_node_gives_the_same_pixels_of_every_frame_in_lockstep(raw_bag, evaluate) -> None:
    measured = play(evaluate, raw_bag, "lockstep")
    assert measured["play"]["compared"]["mask"] == 4
    assert measured["frames"]["dropped"] == {"bad_input.unknown_encoding": 1}


@needs_ros
def test_the_live_node_gives_the_same_pixels_of_the_frames_that_it_does_not_drop(compressed_bag, evaluate) -> None:
    measured = play(evaluate, compressed_bag, "2.0")
    assert 1 <= measured["play"]["compared"]["mask"] <= 4
    assert measured["frames"]["dropped"] == {"bad_input.damaged_file": 1}


def write_mcap(path: Path, other: tuple[str, str, bytes], finish: bool = True) -> None:
    """Three images, and a topic /other with this schema."""
    definition = message_types().generate_msgdef("sensor_msgs/msg/Image", ros_version=2)[0]
    with open(path, "wb") as stream:
        writer = Writer(stream)
        writer.start(profile="")
        schema = writer.register_schema("sensor_msgs/msg/Image", "ros2msg", definition.encode())
        camera = writer.register_channel("/camera/image_raw", "cdr", schema)
        foreign = writer.register_channel("/other", "cdr", writer.register_schema(*other))
        for number, rgb in enumerate(pictures(3)):
            image = messages.image(messages.header(number * 100_000_000), rgb)
            data = bytes(message_types().serialize_cdr(image, "sensor_msgs/msg/Image"))
            for channel in (camera, foreign):
                writer.add_message(channel, number, data, publish_time=number)
        writer.finish()
    if not finish:
        os.truncate(path, path.stat().st_size - 50)


@pytest.mark.parametrize("other", [("Metadata", "unknown", b""), ("a_msgs/msg/B", "ros2idl", b"module {")])
def test_a_topic_that_cannot_be_copied_is_named(evaluate, tmp_path, capsys, other) -> None:
    write_mcap(tmp_path / "drive.mcap", other)
    code, measured = evaluate(tmp_path / "drive.mcap", "--task", "semantic", "--write-bag", str(tmp_path / "out"))
    assert (code, measured["frames"]["segmented"]) == (0, 3)
    output = capsys.readouterr().out
    assert f"not copied because the definition of their type is unknown: /other ({other[0]})" in output
    with Bag(tmp_path / "out") as bag:
        counts = {topic.name: topic.count for topic in bag.topics}
    assert (counts["/camera/image_raw"], counts["/bisenetformer/mask"]) == (3, 3)
    assert "/other" not in counts


def test_an_unfinished_recording_is_evaluated_with_a_note(evaluate, tmp_path, capsys) -> None:
    write_mcap(tmp_path / "drive.mcap", ("Metadata", "unknown", b""), finish=False)
    code, measured = evaluate(tmp_path / "drive.mcap", "--task", "semantic")
    assert (code, measured["frames"]["segmented"]) == (0, 3)
    error = capsys.readouterr().err
    assert error.startswith(f"bisenetformer evaluate-bag: {tmp_path / 'drive.mcap'} is incomplete (")
    assert "mcap recover" in error


def test_a_failure_leaves_no_bag(evaluate, tmp_path, capsys) -> None:
    with BagWriter(tmp_path / "drive") as writer:
        writer.add_topic("/camera/image_raw", "sensor_msgs/msg/Image")
        broken = messages.image(messages.header(0), pictures(1)[0])
        broken.encoding = "nonsense"
        writer.write("/camera/image_raw", 0, broken)
    assert evaluate(tmp_path / "drive", "--write-bag", str(tmp_path / "out"))[0] == 2
    assert "none of the 1 images" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["drive"]
