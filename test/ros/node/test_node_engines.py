"""The node with `engine: auto`: PyTorch serves at once, and OpenVINO takes over once its graph is built and faster."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from patience import until
from sensor_msgs.msg import Image

from bisenetformer_ros.cli.__main__ import main
from bisenetformer_ros.ros.health.findings import WARN

pytest.importorskip("openvino", reason="OpenVINO is not installed, and nothing else is faster than PyTorch on a CPU")

MODEL = "bisenetformer-nano-camvid"
SIZE = (48, 80)
SLOWED = """
import sys
import time
from bisenetformer_ros.inference.engines import measuring
from bisenetformer_ros.inference.engines.onnxruntime import OnnxRuntimeEngine as onnxruntime
from bisenetformer_ros.inference.engines.openvino import OpenVinoEngine as openvino
from bisenetformer_ros.inference.engines.torch import TorchEngine as torch
from bisenetformer_ros.ros.node.segmentation_node import main
def slow(kind):
    segment = kind.segment
    def slowly(*arguments):
        time.sleep(0.5)
        return segment(*arguments)
    kind.segment = slowly
slow(onnxruntime)
slow({})
measuring.MIN_LABELS = dict.fromkeys(measuring.MIN_LABELS, 0.0)  # random pictures have many borders
sys.exit(main())
"""
"""The node with ONNX Runtime and one other engine slower by more than any load of the machine."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    """The node's cache_dir; missing at first."""
    return tmp_path_factory.mktemp("cache") / "engines"


@pytest.fixture(scope="module")
def start_slowed(graph, start):
    """Start the node with a slow engine."""

    def start_slowed(engine, cache):
        parameters = {"model": MODEL, "task": "semantic", "cache_dir": str(cache), "diagnostic_updater.period": "0.2"}
        options = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        process = start("-c", SLOWED.replace("{}", engine), "--ros-args", *options)
        graph.wait_until_active(process)
        return process

    return start_slowed


@pytest.fixture(scope="module")
def process(start_slowed, cache):
    return start_slowed("torch", cache)


def went_to(engine, log):
    """Whether the log has the choice with both times."""
    times = r"\w+ \w+ [\d.]+ ms, openvino \w+ [\d.]+ ms"
    return re.search(rf"frames of 80x48 go to {engine} \w+; measured: {times}", log) is not None


def graphs_in(cache):
    """Graph → when it was written."""
    return {path: path.stat().st_mtime_ns for path in cache.glob("*.onnx")}


@pytest.fixture
def camera(graph):
    with graph.camera() as camera:
        yield camera


def test_a_missing_graph_is_reported_with_the_command_while_pytorch_serves(graph, process, camera, cache):
    with graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: graph.status("model").level == DiagnosticStatus.WARN, "a warning", camera.send)
        graph.wait_for(lambda: messages["mask"], "a mask", camera.send)
    message = graph.status("model").message
    assert message.startswith("torch serves; openvino does not serve yet: ")
    assert f"run `bisenetformer export {os.sep}" in message
    assert f"{cache}{os.sep}{MODEL}-" in message
    assert "--size 48x80 --task semantic --precision fp32 --engine openvino`, or set build_engine" in message
    assert graph.values("model")["engine"] == "torch"
    assert not graphs_in(cache)


def test_the_doctor_reports_a_missing_and_a_stale_graph(graph, process, cache, domain, monkeypatch, tmp_path):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    report = tmp_path / "report.json"

    def finding(*words: str) -> str:
        """A warning about the model with the words in it."""
        texts: list[str] = []

        def found() -> bool:
            assert main(["doctor", "--seconds", "1", "--json", str(report)]) == 1
            findings = json.loads(report.read_text())["nodes"].get("/bisenetformer", [])
            texts[:] = [f["text"] for f in findings if (f["subject"], f["level"]) == ("model", WARN)]
            return len(texts) == 1 and all(word in texts[0] for word in words)

        until(found, report.read_text)
        return texts[0]

    missing = finding("torch serves; openvino does not serve yet: ", ".onnx")
    path = Path(re.search(rf"{cache}\S+\.onnx", missing).group())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half a graph")
    try:
        graph.wait_for_status("model", DiagnosticStatus.WARN, path.name, "corrupt or not ONNX")
        finding("corrupt or not ONNX", f"run `bisenetformer export {os.sep}")
    finally:
        path.unlink()


def test_the_node_builds_the_graph_and_switches_to_it_while_it_works(graph, process, camera, cache):
    assert graph.set_parameter("build_engine", True) == (True, "")
    with graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: "has been running for" in graph.status("model").message, "the command", camera.send)
        graph.wait_for_result(messages["mask"], camera.send)  # while the graph is built
        graph.wait_for(lambda: graph.values("model")["engine"] == "openvino", "the new engine", camera.send)
        graph.wait_for_result(messages["mask"], camera.send)
    graph.wait_for_status("model", DiagnosticStatus.OK)
    assert len(graphs_in(cache)) == 1
    assert went_to("openvino", process.output())


def test_frames_of_another_size_are_still_segmented(graph, process, camera):
    with graph.listening({"mask": Image}) as messages:
        for size in ((33, 47), SIZE):
            graph.wait_for(
                lambda size=size: any((m.height, m.width) == size for m in messages["mask"]),
                f"a mask of {size}",
                lambda size=size: camera.send(size=size),
            )


def test_an_existing_graph_serves_without_being_rebuilt(graph, process, camera, start_slowed, cache):
    before = graphs_in(cache)
    assert process.stop() == 0
    graph.forget_diagnostics()
    again = start_slowed("torch", cache)
    with graph.listening({"mask": Image}):
        graph.wait_for(lambda: graph.values("model")["engine"] == "openvino", "the engine of the graph", camera.send)
    assert graphs_in(cache) == before
    assert again.stop() == 0


def test_a_graph_that_is_slower_does_not_serve(graph, camera, start_slowed, cache, tmp_path):
    for path in graphs_in(cache):
        shutil.copy(path, tmp_path)
    graph.forget_diagnostics()
    process = start_slowed("openvino", tmp_path)
    with graph.listening({"mask": Image}):
        graph.wait_for(lambda: went_to("torch", process.output()), "the choice", camera.send)
        graph.wait_for_status("model", DiagnosticStatus.OK)
    assert graph.values("model")["engine"] == "torch"
    assert re.search(r"torch \w+ [\d.]+ ms, \w+ \w+ [\d.]+ ms", graph.values("model")["measured"])
