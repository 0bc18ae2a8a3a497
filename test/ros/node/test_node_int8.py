"""The node with `precision: int8`: it collects frames of its camera, has a graph calibrated on them, and switches."""

import re
import signal
from collections.abc import Callable, Iterator
from itertools import count

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from ros_graph import KILLABLE
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from bisenetformer_ros.inference.calibration_frames import NUM_FRAMES, SPACING_S
from bisenetformer_ros.inference.verification_frames import load_verification_frames

pytest.importorskip("openvino", reason="OpenVINO is not installed, and PyTorch has no int8")
pytest.importorskip("onnxscript", reason="the exporter is not installed")

MODEL = "bisenetformer-nano-camvid"
SIZE = (96, 160)
"""Of frames on which the graph agrees well enough: 99.7 %, on 48x80 pixels 98.7 to 99.6."""
SLOWED = """
import sys
import time
from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.ros.node.segmentation_node import main
for kind in (OnnxRuntimeEngine, TorchEngine):
    def slowly(*arguments, segment=kind.segment):
        time.sleep(0.3)
        return segment(*arguments)
    kind.segment = slowly
sys.exit(main())
"""
"""The node with the engines other than OpenVINO slower by more than any load of the machine."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    """The node's cache_dir; missing at first."""
    return tmp_path_factory.mktemp("cache") / "engines"


@pytest.fixture(scope="module")
def start_int8(graph, start, cache):
    """Start the node with leave to build."""

    def start_int8(**variables):
        parameters = {
            "model": MODEL,
            "task": "semantic",
            "precision": "int8",
            "build_engine": "true",
            "cache_dir": str(cache),
            "diagnostic_updater.period": "0.2",
        }
        options = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        process = start("-c", SLOWED, "--ros-args", *options, **variables)
        graph.forget_diagnostics()
        graph.wait_until_active(process)
        return process

    return start_int8


@pytest.fixture(scope="module")
def moments() -> Iterator[int]:
    """Stamps in seconds, SPACING_S apart, for all tests."""
    return count(1_000, int(SPACING_S))


@pytest.fixture
def send(graph, moments) -> Iterator[Callable[[], None]]:
    """Send the next street."""
    streets = [
        cv2.resize(street, SIZE[::-1], interpolation=cv2.INTER_AREA) for street in load_verification_frames(SIZE)
    ]
    with graph.camera() as camera:

        def send() -> None:
            moment = next(moments)
            street = np.roll(streets[moment // 2 % len(streets)], moment, axis=1)
            camera.send(size=SIZE, data=street.tobytes(), header=Header(stamp=Time(sec=moment), frame_id="front"))

        yield send


def folders_in(cache):
    return sorted(path for path in cache.iterdir() if path.is_dir()) if cache.is_dir() else []


def test_frames_of_a_killed_node_are_deleted_by_the_next(graph, start_int8, send, cache):
    process = start_int8(**KILLABLE)
    with graph.listening({"mask": Image}):
        graph.wait_for(lambda: re.search(r", [1-9]\d* so far", graph.status("model").message), "some frames", send)
    status = graph.status("model")
    words = f"torch serves; openvino does not serve yet: frames of the camera are kept to calibrate it, {NUM_FRAMES} of"
    assert (status.level, status.message[: len(words)]) == (DiagnosticStatus.WARN, words)
    (left,) = folders_in(cache)
    assert next(left.iterdir()).suffix == ".jpg"
    assert process.stop(signal.SIGKILL) == -signal.SIGKILL
    assert left.is_dir()
    start_int8().stop()
    assert folders_in(cache) == []


def test_the_node_calibrates_on_its_camera_and_switches(graph, start_int8, send, cache):
    process = start_int8()
    with graph.listening({"mask": Image}):
        graph.wait_for(lambda: "has been running for" in graph.status("model").message, "the command", send)
        (folder,) = folders_in(cache)
        assert len(list(folder.iterdir())) == NUM_FRAMES
        graph.wait_for(lambda: graph.values("model")["engine"] == "openvino", "the new engine", send)
    graph.wait_for_status("model", DiagnosticStatus.OK)
    assert graph.values("model")["precision"] == "int8"
    assert folders_in(cache) == []
    (path,) = cache.glob("*.onnx")
    assert path.name.endswith("-semantic-96x160-int8.onnx")
    log = process.output()
    assert re.search(r"agreement with PyTorch over 16 frames: [\d.]+ % of labels", log)  # a third of 48
    assert re.search(r"frames of 160x96 go to openvino int8; measured: \w+ \w+ [\d.]+ ms, openvino int8 [\d.]+ ms", log)
    assert process.stop() == 0


def test_a_kept_graph_serves_without_another_calibration(graph, start_int8, send, cache):
    before = {path: path.stat().st_mtime_ns for path in cache.glob("*.onnx")}
    process = start_int8()
    with graph.listening({"mask": Image}):
        graph.wait_for(lambda: graph.values("model")["engine"] == "openvino", "the engine of the graph", send)
    assert {path: path.stat().st_mtime_ns for path in cache.glob("*.onnx")} == before
    assert "so far" not in process.output()
    assert process.stop() == 0


def test_sizes_are_calibrated_apart_and_a_graph_that_disagrees_is_refused(graph, start_int8, moments, cache):
    """Random pictures, whose many borders move in int8."""
    process = start_int8()
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:

        def send(size: tuple[int, int]) -> None:
            camera.send(size=size, header=Header(stamp=Time(sec=next(moments)), frame_id="front"))

        def says(pattern: str) -> bool:
            return re.search(pattern, graph.status("model").message, re.DOTALL) is not None

        graph.wait_for(lambda: says(r"[1-9]\d* so far"), "some frames", lambda: send((40, 64)))
        (kept,) = folders_in(cache)
        graph.wait_for(lambda: says("failed with exit code 1"), "the end of the command", lambda: send((32, 48)))
        message = graph.status("model").message
        assert re.search(r"\d+ so far; openvino does not serve yet: `bisenetformer export ", message)
        assert "was not written: the graph disagrees with PyTorch" in message
        assert folders_in(cache) == [kept]
        messages["mask"].clear()
        graph.wait_for(lambda: messages["mask"], "a mask", lambda: send((32, 48)))
    assert process.stop() == 0
    assert folders_in(cache) == []
