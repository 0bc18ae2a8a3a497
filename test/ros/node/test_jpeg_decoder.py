"""The parameter `jpeg_decoder`: a real node, whose nvJPEG is Pillow on the CPU."""

import io
import os
from collections.abc import Callable, Iterator

import numpy as np
import PIL.Image
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from pillow_torchvision import write_torchvision
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

NODE = ("-m", "bisenetformer_ros.ros.node.segmentation_node")
NODE_WITH_PILLOW = """
import sys, torch
from bisenetformer_ros.inference.gpu_jpeg import TorchJpegDecoder
from bisenetformer_ros.ros.node import segmentation_node
segmentation_node.open_nvjpeg = lambda device, warn: TorchJpegDecoder(torch.device(device), warn)
sys.exit(segmentation_node.main())
"""
NOT_CUDA = "OpenCV decodes JPEGs instead of nvjpeg: the engine runs on cpu, expected cuda: set jpeg_decoder to opencv"
SERIES = "OpenCV decodes JPEGs instead of nvjpeg: it failed 10 times in a row, the last time with RuntimeError: nvjpegD"


@pytest.fixture
def camera(graph) -> Iterator[Callable[[int, str], None]]:
    """Publish a JPEG of a width; `name` becomes its frame_id."""
    publisher = graph.node.create_publisher(CompressedImage, "/image_raw/compressed", 10)

    def send(width: int, name: str) -> None:
        file = io.BytesIO()
        PIL.Image.fromarray(np.full((48, width, 3), 99, np.uint8)).save(file, "jpeg")
        header = Header(stamp=graph.node.get_clock().now().to_msg(), frame_id=name)
        publisher.publish(CompressedImage(header=header, format="rgb8; jpeg compressed bgr8", data=file.getvalue()))

    yield send
    graph.node.destroy_publisher(publisher)


def parameters(weights) -> list[str]:
    values = {
        "model": weights,
        "task": "semantic",
        "engine": "torch",
        "device": "cpu",
        "image_transport": "compressed",
        "jpeg_decoder": "nvjpeg",
        "diagnostic_updater.period": 0.2,
    }
    return ["--ros-args", *(word for name, value in values.items() for word in ("-p", f"{name}:={value}"))]


def wait_for_mask(graph, messages, camera, width: int, name: str) -> None:
    def masks() -> list[Image]:
        return [mask for mask in messages["mask"] if (mask.width, mask.header.frame_id) == (width, name)]

    graph.wait_for(masks, f"the mask of {name}", lambda: camera(width, name))


def test_without_a_gpu_opencv_decodes_and_the_node_reports_why(graph, start, weights, camera):
    graph.forget_diagnostics()
    process = start(*NODE, *parameters(weights))
    graph.wait_until_active(process)
    with graph.listening({"mask": Image}) as messages:
        wait_for_mask(graph, messages, camera, 80, "a frame")
        graph.wait_for_status("model", DiagnosticStatus.WARN, NOT_CUDA)
        for transition in ("deactivate", "cleanup"):
            assert graph.change_state(transition)
        assert graph.set_parameter("jpeg_decoder", "opencv") == (True, "")
        for transition in ("configure", "activate"):
            assert graph.change_state(transition)
        graph.wait_for_status("model", DiagnosticStatus.OK, "active")
        wait_for_mask(graph, messages, camera, 80, "another one")
    assert process.stop() == 0
    assert process.output().count(NOT_CUDA) == 1
    assert "Traceback" not in process.output()


def test_a_decoder_that_fails_leaves_its_frames_and_then_all_to_opencv(graph, start, weights, camera, tmp_path):
    graph.forget_diagnostics()
    write_torchvision(tmp_path)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = start("-c", NODE_WITH_PILLOW, *parameters(weights), PYTHONPATH=path)
    graph.wait_until_active(process)
    with graph.listening({"mask": Image}) as messages:
        wait_for_mask(graph, messages, camera, 80, "a good frame")
        assert "torchvision decodes 48 80 3" in process.output()
        graph.wait_for_status("model", DiagnosticStatus.OK, "active")
        wait_for_mask(graph, messages, camera, 40, "a frame that fails")
        graph.wait_for_status("model", DiagnosticStatus.WARN, SERIES, every=lambda: camera(40, "more of them"))
        decoded = process.output().count("torchvision decodes 48")
        wait_for_mask(graph, messages, camera, 80, "a frame without nvJPEG")
        assert process.output().count("torchvision decodes 48") == decoded
    assert process.stop() == 0
    assert process.output().count(SERIES) == 1
    assert process.output().count("torchvision decodes 48 40 3") == 10
    assert "Traceback" not in process.output()
