"""How the node ends: on repeated signals at any moment with exit code 0, and on an engine that keeps failing with 1."""

import signal
import time
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

from bisenetformer_ros.ros.node.pipeline import MAX_ENGINE_FAILURES

INTERRUPTS = [signal.SIGINT, signal.SIGINT, signal.SIGTERM]
"""Of `ros2 launch` without a terminal, which passes on the SIGINT that its group has received already."""

SIGNALS_ITSELF = """
import os, signal, sys
from bisenetformer_ros.ros.node import process, segmentation_node
process.EXIT_WITHIN_S = process.KILL_AFTER_S = 10**6
moment, arguments = sys.argv[1], sys.argv[2:]
def interrupt(*_, os=os, numbers=(signal.SIGINT, signal.SIGINT, signal.SIGTERM)):
    os.write(1, b"interrupted\\n")
    for number in numbers:
        os.kill(os.getpid(), number)
def interrupted(method):
    def call(*given):
        interrupt()
        return method(*given)
    return call
class Collected:
    __del__ = interrupt
node = segmentation_node.SegmentationNode
if moment == "finalized":
    collected_last = Collected()
else:
    setattr(node, moment, interrupted(getattr(node, moment)))
sys.exit(segmentation_node.main(arguments))
"""
"""Interrupts itself when the node calls the method `moment`, or when Python collects its last objects,
which it does whatever the time limits are on a busy machine."""

BREAKABLE = """
import sys
from pathlib import Path
from bisenetformer_ros.errors import InferenceError
from bisenetformer_ros.inference.engines.torch import TorchEngine
from bisenetformer_ros.ros.node.segmentation_node import main
kind, pattern, broken, arguments = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4:]
infer, calls = TorchEngine.infer, 0
def infer_or_fail(engine, images):
    global calls
    if broken.exists():
        calls += 1
        if pattern[calls % len(pattern)] == "x":
            print("failing", flush=True)
            if kind == "InferenceError":
                raise InferenceError("the network could not be run")
            images = images[0]
    return infer(engine, images)
TorchEngine.infer = infer_or_fail
sys.exit(main(arguments))
"""
"""Once the file exists, the calls fail that the repeated pattern marks with x: of PyTorch itself, or with an
InferenceError."""


@pytest.fixture
def arguments(graph, weights) -> list[str]:
    graph.forget_diagnostics()  # of the node before
    parameters = {"model": weights, "task": "semantic", "engine": "torch", "device": "cpu"}
    return ["--ros-args", *(word for name, value in parameters.items() for word in ("-p", f"{name}:={value}"))]


def check_clean_end(process) -> None:
    """Require exit code 0 of an interrupted process, which its watchdogs ensure to come in time or as another code."""
    assert process.stop() == 0, process.output()
    assert "Traceback" not in process.output()


def test_signals_while_it_imports(graph, start, arguments):
    process = start("-m", "bisenetformer_ros.cli", "node", *arguments)
    maps = Path(f"/proc/{process.pid}/maps")
    graph.wait_for(lambda: "libtorch" in maps.read_text(), "the import of PyTorch")
    for how in INTERRUPTS:
        process.send(how)
    graph.wait_for(lambda: not process.alive(), "the end of the process")
    check_clean_end(process)
    assert "subscribed" not in process.output()


@pytest.mark.parametrize("moment", ["_make_cameras", "warn_of_unknown_parameters", "_load", "finalized"])
def test_signals_at_a_moment(graph, start, arguments, moment):
    process = start("-c", SIGNALS_ITSELF, moment, *arguments)
    if moment == "finalized":
        graph.wait_until_active(process)
        process.send(signal.SIGINT)
    graph.wait_for(lambda: not process.alive(), "the end of the process")
    check_clean_end(process)
    assert "interrupted" in process.output()


@pytest.mark.parametrize("burst", [[signal.SIGINT] * 3, [signal.SIGINT, signal.SIGTERM]], ids=["the same", "different"])
def test_signals_while_it_segments(graph, start, arguments, burst):
    process = start("-m", "bisenetformer_ros.cli", "node", *arguments)
    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: messages["mask"], "a mask", camera.send)
        for how in burst:
            process.send(how)
        graph.wait_for(lambda: not process.alive(), "the end of the process", camera.send)
    check_clean_end(process)


def test_signals_until_it_has_ended(graph, start, arguments):
    process = start("-m", "bisenetformer_ros.cli", "node", *arguments)
    graph.wait_until_active(process)
    while process.alive():
        for how in (signal.SIGINT, signal.SIGTERM):
            process.send(how)
        time.sleep(0.01)
    check_clean_end(process)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("RuntimeError", ["required rank 4 tensor"]), ("InferenceError", ["the network could not be run"])],
)
def test_an_engine_that_keeps_failing_ends_the_node(graph, start, arguments, tmp_path, kind, words):
    broken = tmp_path / "broken"
    process = start("-c", BREAKABLE, kind, "x", str(broken), *arguments)
    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: messages["mask"], "a mask", camera.send)
        broken.touch()
        graph.wait_for(lambda: not process.alive(), "the end of the node", camera.send)
    assert process.stop() == 1
    assert process.output().count("failing") in (MAX_ENGINE_FAILURES, MAX_ENGINE_FAILURES + 1)  # one may be on its way
    (line,) = (line for line in process.output().splitlines() if "[ERROR]" in line)
    for word in [f"engine torch on cpu failed 10 times in a row, the last time with {kind}: ", *words, "Restart="]:
        assert word in line


def test_a_success_in_between_keeps_the_node(graph, start, arguments, tmp_path):
    broken = tmp_path / "broken"
    pattern = (MAX_ENGINE_FAILURES - 1) * "x" + "."
    process = start("-c", BREAKABLE, "InferenceError", pattern, str(broken), *arguments)
    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        broken.touch()
        graph.wait_for(lambda: process.output().count("failing") > 2 * len(pattern), "failures", camera.send)
        broken.unlink()
        graph.wait_for_result(messages["mask"], camera.send)
    check_clean_end(process)
