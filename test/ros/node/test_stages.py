"""The stages of the node overlap: a result is published while the next image is segmented. Real processes."""

import signal
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

SLEEPING_NODE = Path(__file__).parents[3] / "tools" / "ros_overhead" / "sleeping_node.py"
HELD_PUBLISHER = f"""
import os, runpy, sys, time
from pathlib import Path
from bisenetformer_ros.ros.node.outputs import OutputPublishers
publish = OutputPublishers.publish
def wait_and_publish(*arguments):
    while not Path(os.environ['PERMISSION']).exists():
        time.sleep(0.01)
    return publish(*arguments)
OutputPublishers.publish = wait_and_publish
module = runpy.run_path({str(SLEEPING_NODE)!r})
sys.argv[1:1] = ["48", "80", "0"]
sys.exit(module["main"]())
"""
"""A node that publishes nothing until the file exists that PERMISSION names."""


@pytest.fixture
def permission(tmp_path) -> Path:
    """The file that lets `held` publish."""
    return tmp_path / "permission"


@pytest.fixture
def held(graph, start, permission):
    """A node that goes on segmenting while the first result waits to be published."""
    graph.forget_diagnostics()
    parameters = ["--ros-args", "-p", "diagnostic_updater.period:=0.2"]
    process = start("-c", HELD_PUBLISHER, *parameters, PERMISSION=str(permission))
    graph.wait_until_active(process)
    yield process
    assert process.stop() == 0


def dropped(graph, reason: str) -> int:
    return int(graph.values("/image_raw").get(f"dropped.{reason}", 0))


def test_the_engine_goes_on_while_a_result_is_published_and_the_newest_result_follows(graph, held, permission):
    with graph.camera() as camera, graph.listening({"mask": Image}) as heard:
        graph.wait_for(lambda: dropped(graph, "replaced_by_newer_result") > 2, "replaced results", camera.send)
        assert not heard["mask"]
        permission.touch()
        graph.wait_for(lambda: len(heard["mask"]) > 2, "masks", camera.send)
        stamps = [(mask.header.stamp.sec, mask.header.stamp.nanosec) for mask in heard["mask"]]
        assert stamps == sorted(set(stamps))

        def all_are_counted() -> bool:
            values = graph.values("/image_raw")
            drops = sum(int(count) for name, count in values.items() if name.startswith("dropped."))
            return int(values["total_received_frames"]) == int(values["total_segmented_frames"]) + drops

        graph.wait_for(all_are_counted, "every frame segmented or dropped")


def test_a_middleware_that_hangs_does_not_keep_the_node_from_ending(graph, held):
    with graph.camera() as camera, graph.listening({"mask": Image}):
        graph.wait_for(lambda: dropped(graph, "replaced_by_newer_result"), "a replaced result", camera.send)
        assert held.stop(signal.SIGTERM) == 0
    assert "the middleware has not taken a result" in held.output()
    assert "Traceback" not in held.output()
