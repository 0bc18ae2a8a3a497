"""Weights that are damaged, replaced while in use, or malicious, and full disks."""

import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image

from bisenetformer_ros.bags.recorder import BagFormat, DriveRecorder
from bisenetformer_ros.cli.__main__ import main


@pytest.fixture(scope="module")
def model(weights, tmp_path_factory) -> Path:
    """A copy of the weights for the node."""
    return Path(shutil.copy(weights, tmp_path_factory.mktemp("robot") / "model.safetensors"))


@pytest.fixture(scope="module")
def process(graph, start_node, model):
    process = start_node({"model": str(model), "task": "semantic"})
    graph.wait_until_active(process)
    return process


@pytest.fixture
def segments(graph, process):
    """A function that requires that the node segments."""
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:

        def segments() -> None:
            graph.wait_for_result(messages["mask"], camera.send)
            assert process.alive(), process.output()

        yield segments


def reload(graph, model: Path) -> bool:
    """Whether the node could be configured with the file."""
    if graph.state() == "active":
        assert graph.change_state("deactivate")
    if graph.state() == "inactive":
        assert graph.change_state("cleanup")
    assert graph.set_parameter("model", str(model)) == (True, "")
    return graph.change_state("configure")


def test_truncating_weights_in_use_has_no_effect(segments, model):
    segments()
    os.truncate(model, 1000)
    segments()


def test_truncated_weights_are_refused_and_whole_ones_load_afterwards(graph, segments, model, weights):
    assert not reload(graph, model)
    assert graph.state() == "unconfigured"
    graph.wait_for_status("model", DiagnosticStatus.ERROR, f"could not configure: {model}: corrupt")
    shutil.copy(weights, model)
    assert graph.change_state("configure")
    assert graph.change_state("activate")
    segments()


def test_replacing_the_weights_has_no_effect_until_they_are_loaded(graph, segments, model):
    model.with_suffix(".new").write_bytes(b"no weights at all")
    os.replace(model.with_suffix(".new"), model)
    segments()
    assert not reload(graph, model)
    graph.wait_for_status("model", DiagnosticStatus.ERROR, f"could not configure: {model}: corrupt")


class Bomb:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self):
        return (Path.write_text, (self._path, "code was run"))


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        (".pth", "expected a PyTorch checkpoint with only tensors; "),
        (".pkl", "expected a PyTorch checkpoint with only tensors; "),
        (".safetensors", "corrupt, or not a safetensors file"),
    ],
)
def test_code_in_a_weights_file_is_not_run(graph, segments, tmp_path, suffix, words):
    trace, file = tmp_path / "trace", tmp_path / f"model{suffix}"
    content = {"model": Bomb(trace)}
    if suffix == ".pkl":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file)
    assert not reload(graph, file)
    assert not trace.exists()
    graph.wait_for_status("model", DiagnosticStatus.ERROR, f"could not configure: {file}: {words}")
    with open(file, "rb") as stream:  # unpickling it does run code
        pickle.load(stream) if suffix == ".pkl" else torch.load(stream, weights_only=False)
    assert trace.read_text() == "code was run"


def test_a_doctor_report_on_a_full_disk(process, domain, monkeypatch, capsys):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
    assert main(["doctor", "--node", "/bisenetformer", "--seconds", "0.2", "--json", "/dev/full"]) == 2
    assert "bisenetformer doctor: error: [Errno 28] No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--json", "--report", "--write-bag"])
def test_a_bag_report_on_a_full_disk(tmp_path, weights, capsys, option):
    with DriveRecorder(tmp_path / "drive", BagFormat(), None, has_instances=False) as recorder:
        recorder.add(0, np.zeros((48, 80, 3), np.uint8), None, None)
    out = tmp_path / "out"
    command = ["evaluate-bag", str(tmp_path / "drive"), "--model", str(weights), "--task", "semantic"]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # limit of the file size
    try:
        assert main([*command, "--engine", "torch", option, str(out)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "bisenetformer evaluate-bag: error: [Errno 27] File too large" in capsys.readouterr().err
    assert option != "--write-bag" or not out.exists()


def test_good_weights_work_afterwards(graph, segments, weights, process):
    assert reload(graph, weights)
    assert graph.change_state("activate")
    segments()
    assert "code was run" not in process.output()
    assert process.stop(signal.SIGINT) == 0


def test_a_full_disk_for_logs_does_not_stop_the_node(graph, domain, weights, tmp_path):
    """Writes to /dev/full fail as on a full disk."""
    command = [sys.executable, "-m", "bisenetformer_ros.ros.node.segmentation_node", "--ros-args"]
    parameters = ["-p", f"model:={weights}", "-p", "task:=semantic", "-p", "diagnostic_updater.period:=0.2"]
    environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "PYTHONUNBUFFERED": "1", "ROS_LOG_DIR": str(tmp_path)}
    with open("/dev/full", "w") as full:
        node = subprocess.Popen([*command, *parameters], env=environment, stdout=full, stderr=full)
    try:
        with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
            graph.wait_for(lambda: messages["mask"] or node.poll() is not None, "a mask", camera.send)
            bad = camera.picture(encoding="none")  # is logged
            graph.wait_for_result(messages["mask"], lambda: (camera.publish(bad), camera.send()))
    finally:
        node.send_signal(signal.SIGINT)
        node.wait()
