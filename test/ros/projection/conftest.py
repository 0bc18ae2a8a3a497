"""A projection node, and the camera and the segmentation node that it hears."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

if find_spec("bisenetformer_ros.msg") is not None:
    from depth_camera import DepthCamera


@pytest.fixture(scope="module")
def process(start):
    """The node under the name that the helpers for /diagnostics know, and of which its input topics do not depend."""
    arguments = ["-r", "__node:=bisenetformer", "-p", "diagnostic_updater.period:=0.2"]
    return start("-m", "bisenetformer_ros.ros.projection.projection_node", "--ros-args", *arguments)


@pytest.fixture
def camera(graph, process) -> Iterator["DepthCamera"]:
    camera = DepthCamera(graph)
    yield camera
    camera.close()
