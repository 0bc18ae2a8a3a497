"""What must not end the node, and what must end it in time with exit code 0: real processes with odd engines."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image

SLEEPING_NODE = Path(__file__).parents[3] / "tools" / "ros_overhead" / "sleeping_node.py"
FOREVER_MS = "1e9"

SHUT_DOWN = f"""
import sys, runpy, rclpy
module = runpy.run_path({str(SLEEPING_NODE)!r})
def segment(*_):
    rclpy.shutdown()
    raise RuntimeError("the context is gone")
module["SleepingEngine"].segment = segment
sys.argv[1:1] = ["48", "80", "0"]
sys.exit(module["main"]())
"""
"""An engine that shuts ROS down, as another part of the process may do."""

FAILING_CALLBACKS = """
import sys
from bisenetformer_ros.ros.node import engine_switcher, segmentation_node
def fail(*_):
    raise OSError("no such thing")
engine_switcher.EngineSwitcher.update = fail
segmentation_node.Camera._on_camera_info = fail
sys.exit(segmentation_node.main())
"""
HANGING_CONFIGURE = """
import sys, time
from bisenetformer_ros.ros.node.segmentation_node import main
def hang(*_, **__):
    print("opening", flush=True)
    time.sleep(1e6)
sys.exit(main(open_segmenter=hang))
"""


def parameters(**values: str) -> list[str]:
    values = {"diagnostic_updater.period": "0.2", **values}
    return ["--ros-args", *(word for name, value in values.items() for word in ("-p", f"{name}:={value}"))]


@pytest.fixture
def hanging(graph, start):
    """A node whose engine hangs in the first frame while newer ones arrive."""
    graph.forget_diagnostics()
    process = start(str(SLEEPING_NODE), "48", "80", FOREVER_MS, *parameters())
    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}):
        graph.wait_for(
            lambda: int(graph.values("/image_raw").get("dropped.replaced_by_newer", 0)), "a replaced frame", camera.send
        )
        yield process
    assert process.stop() == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_hung_inference_does_not_keep_the_node_from_ending(hanging, how):
    assert hanging.stop(how) == 0
    assert "engine sleep has not finished its frame" in hanging.output()
    assert "Traceback" not in hanging.output()


def test_further_signals_do_not_change_the_exit_code(hanging):
    while hanging.alive():
        hanging.send(signal.SIGINT)
        time.sleep(0.1)
    assert hanging.stop() == 0
    assert "Traceback" not in hanging.output()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_hung_transition_does_not_keep_the_node_from_ending(graph, start, how):
    process = start("-c", HANGING_CONFIGURE, *parameters())
    graph.wait_for(lambda: "opening" in process.output(), "the transition")
    assert process.stop(how) == 0
    assert "Traceback" not in process.output()


def test_deactivating_reports_an_engine_that_hangs(graph, hanging):
    assert not graph.change_state("deactivate")
    graph.wait_for_status("model", DiagnosticStatus.ERROR, "could not deactivate: engine sleep has not finished")
    assert hanging.alive()


def test_a_finalized_context_ends_the_node(graph, start):
    graph.forget_diagnostics()
    process = start("-c", SHUT_DOWN, *parameters())
    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}):
        graph.wait_for(lambda: not process.alive(), "the end of the node", camera.send)
    assert process.stop() == 0
    assert "Traceback" not in process.output()


def test_no_callback_ends_the_node_and_each_failure_is_logged_once(graph, start, weights):
    graph.forget_diagnostics()
    process = start("-c", FAILING_CALLBACKS, *parameters(model=str(weights), task="semantic"))

    def failures() -> int:
        return process.output().count("OSError: no such thing")

    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: failures() >= 2, "a failure of each callback", camera.send)
        for _ in range(10):
            graph.wait_for_result(messages["mask"], camera.send)
    assert process.stop() == 0
    assert failures() == 2


def test_a_cache_that_cannot_be_created_is_a_warning(graph, start, weights):
    pytest.importorskip("openvino", reason="nothing else is faster than PyTorch on a CPU")
    graph.forget_diagnostics()
    arguments = parameters(model=str(weights), task="semantic", build_engine="true")
    process = start("-m", "bisenetformer_ros.ros.node.segmentation_node", *arguments, XDG_CACHE_HOME="/dev/null")
    graph.wait_until_active(process)
    words = "the cache folder /dev/null/bisenetformer_ros cannot be written: set the parameter cache_dir"
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        graph.wait_for_status("model", DiagnosticStatus.WARN, "openvino does not serve yet", words, every=camera.send)
        graph.wait_for_result(messages["mask"], camera.send)
    assert words in process.output()
    assert process.stop() == 0
    assert "Traceback" not in process.output()


def test_a_precision_that_the_engine_does_not_support_is_reported_with_the_engines_that_do(graph, start, weights):
    graph.forget_diagnostics()
    arguments = parameters(model=str(weights), precision="int8", device="cpu", engine="torch")
    process = start("-m", "bisenetformer_ros.ros.node.segmentation_node", *arguments)
    words = "for int8 on cpu set engine to onnxruntime or openvino"
    graph.wait_for_status("model", DiagnosticStatus.ERROR, "could not configure: engine torch", words)
    assert graph.set_parameter("precision", "fp32") == (True, "")
    assert graph.change_state("configure")
    assert process.stop() == 0


def test_a_gpu_that_is_not_used_is_a_warning_with_the_reason(graph, start, weights, tmp_path):
    """The sign of a GPU is a module `tensorrt`, which is looked for and not imported."""
    if torch.cuda.is_available():
        pytest.skip("it would be used")
    (tmp_path / "tensorrt.py").write_text("raise AssertionError")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    words = "this machine has an NVIDIA GPU (TensorRT is installed), but the network runs on the CPU: PyTorch"
    for device, level in (("auto", DiagnosticStatus.WARN), ("cpu", DiagnosticStatus.OK)):
        graph.forget_diagnostics()
        arguments = parameters(model=str(weights), task="semantic", engine="torch", device=device)
        process = start("-m", "bisenetformer_ros.ros.node.segmentation_node", *arguments, PYTHONPATH=path)
        graph.wait_until_active(process)
        graph.wait_for_status("model", level, *([words] if device == "auto" else []))
        assert process.stop() == 0
