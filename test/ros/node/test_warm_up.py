"""Warm-up for the sizes of the cameras, of an engine that records each shape and of one that does not."""

import re

import pytest
from sensor_msgs.msg import Image

RECORDING = """
import sys
import torch
from bisenetformer_ros.inference.engines import cuda_graph
from bisenetformer_ros.model.checkpoint import load_checkpoint
from bisenetformer_ros.ros.node.segmentation_node import main
from bisenetformer_ros.segmenter import Segmenter
class Recording(cuda_graph.RecordedGraph):
    def __init__(self, module, task, shape, *others):
        sys.stdout.write(f"recorded {shape}\\n")  # at once, so that no log comes in between
        super().__init__(module, task, shape, *others)
cuda_graph.RecordedGraph = Recording
def open_segmenter(path, **options):
    segmenter = Segmenter(path, **options)
    engine = segmenter.engine
    engine._graphs = cuda_graph.CudaGraphs(*load_checkpoint(path), engine.task, "fp32", torch.device("cpu"))
    return segmenter
sys.exit(main(open_segmenter=open_segmenter))
"""
"""The engine for CUDA, which without a GPU records nothing but does all else."""

MEASURING = """
import sys
from bisenetformer_ros.inference.engines import kept_measurements, opening
from bisenetformer_ros.ros.node.segmentation_node import main
opening.computes_bf16 = lambda: True
kept_measurements.oversubscription = lambda: ""
sys.exit(main())
"""
"""The node on an idle processor that computes bf16."""

SIZES = {"small": (48, 80), "large": (64, 96)}


@pytest.fixture
def arguments(graph, weights) -> list[str]:
    graph.forget_diagnostics()  # of the node before
    parameters = {"model": weights, "task": "semantic", "engine": "torch", "device": "cpu", "precision": "fp32"}
    parameters["diagnostic_updater.period"] = "0.2"
    return ["--ros-args", *(word for name, value in parameters.items() for word in ("-p", f"{name}:={value}"))]


def logged(process, frames: str) -> int:
    """How often the warm-up for such frames was logged, with its time in seconds."""
    lines = process.output().splitlines()
    return sum(
        f"warmed up for {frames} (height x width) in " in line and re.search(r" s(; .*)?$", line) is not None
        for line in lines
    )


def recorded(process) -> list[str]:
    return [line.removeprefix("recorded ") for line in process.output().splitlines() if line.startswith("recorded ")]


def test_every_size_and_number_of_cameras_is_recorded_before_anybody_listens(graph, start, arguments):
    process = start("-c", RECORDING, *arguments, "-p", "cameras:=[front, rear, left]")
    graph.wait_until_active(process)
    assert recorded(process) == ["(1, 480, 640, 3)"]
    with graph.camera("front/image_raw") as front, graph.camera("rear/image_raw") as rear:
        graph.wait_for(lambda: logged(process, "frames of 48x80"), "the warm-up", front.send)
        graph.wait_for(lambda: logged(process, "batches of 2 frames of 48x80"), "the one for both", rear.send)
        with graph.camera("left/image_raw") as left:
            graph.wait_for(
                lambda: logged(process, "frames of 64x96"), "the other size's", lambda: left.send(size=(64, 96))
            )
        expected = ["(1, 480, 640, 3)", "(1, 48, 80, 3)", "(2, 48, 80, 3)", "(1, 64, 96, 3)"]
        assert recorded(process) == expected
        graph.wait_for(lambda: int(graph.values("/front/image_raw").get("dropped.no_listener", 0)), "the first frame")
        topics = ("/front/image_raw", "/rear/image_raw", "/left/image_raw")
        graph.wait_for(lambda: not any(map(graph.node.count_subscribers, topics)), "no subscription after the warm-up")
        with graph.listening({"front/mask": Image, "rear/mask": Image}) as masks:
            graph.wait_for(
                lambda: all(len(each) > 2 for each in masks.values()), "masks", lambda: (front.send(), rear.send())
            )
        assert recorded(process) == expected
    assert process.stop() == 0


def test_a_camera_that_changes_its_size_is_warmed_up_once_per_size(graph, start, arguments):
    process = start("-c", RECORDING, *arguments)
    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        for size in [*SIZES.values()] * 2:
            mask = graph.wait_for_result(messages["mask"], lambda size=size: camera.send(size=size))
            assert (mask.height, mask.width) == size
    assert [logged(process, "frames of {}x{}".format(*size)) for size in SIZES.values()] == [1, 1]
    assert recorded(process) == ["(1, 480, 640, 3)", "(1, 48, 80, 3)", "(1, 64, 96, 3)"]
    assert process.stop() == 0


def test_an_engine_that_gains_nothing_is_warmed_up_by_configure_alone(graph, start, arguments):
    process = start("-m", "bisenetformer_ros.ros.node.segmentation_node", *arguments)
    graph.wait_until_active(process)
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: messages["mask"], "a mask", camera.send)
    assert process.output().count("warmed up in ") == 1
    assert "warmed up for" not in process.output()
    assert process.stop() == 0


def test_precision_auto_is_measured_before_anybody_listens_and_kept(graph, start, arguments, tmp_path):
    arguments += ["-p", "precision:=auto", "-p", f"cache_dir:={tmp_path}"]
    process = start("-c", MEASURING, *arguments)
    graph.wait_until_active(process)
    with graph.camera() as camera:
        graph.wait_for(lambda: logged(process, "frames of 48x80"), "the warm-up", camera.send)
        times = re.search(r"; measured: (torch fp32 .*)$", process.output(), re.MULTILINE)[1]
        graph.wait_for(lambda: graph.values("model").get("measured") == times, "the times in /diagnostics")
        assert process.stop() == 0
        graph.forget_diagnostics()
        again = start("-c", MEASURING, *arguments)
        graph.wait_until_active(again)
        with graph.listening({"mask": Image}):
            graph.wait_for(lambda: graph.values("model").get("measured") == times, "the kept times", camera.send)
    assert "warmed up for" not in again.output()
    assert again.stop() == 0
