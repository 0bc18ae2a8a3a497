"""The node with weights that were trained for the semantic task."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import Image

PANOPTIC = "/bisenetformer/panoptic"


@pytest.fixture
def start_semantic(graph, start_node, semantic_weights):
    """Start the node with parameters, and stop it at the end of the test."""
    processes = []

    def start(**parameters: str):
        processes.append(start_node({"model": str(semantic_weights), **parameters}))
        graph.wait_until_active(processes[-1])
        return processes[-1]

    yield start
    for process in processes:
        assert process.stop() == 0, process.output()


def topics(graph) -> set[str]:
    return {name for name, _ in graph.node.get_topic_names_and_types()}


def test_without_a_parameter_they_serve_their_task(graph, start_semantic):
    process = start_semantic()
    assert graph.get_parameter("/bisenetformer", "task") == "auto"
    graph.wait_for_status("model", DiagnosticStatus.OK, "active")
    model = graph.values("model")
    assert (model["task"], model["trained_for"]) == ("semantic", "semantic")
    with graph.camera() as camera, graph.listening({"mask": Image}) as messages:
        graph.wait_for(lambda: messages["mask"], "a mask", camera.send)
    assert np.frombuffer(messages["mask"][0].data, np.uint8).max() < 11
    assert PANOPTIC not in topics(graph)
    assert "trained for" not in process.output()


def test_the_panoptic_task_is_served_with_a_warning(graph, start_semantic):
    process = start_semantic(task="panoptic", score_threshold="0.0", overlap_threshold="0.0")
    graph.wait_for_status("model", DiagnosticStatus.WARN, "trained for the semantic task", "set task to auto")
    model = graph.values("model")
    assert (model["task"], model["trained_for"]) == ("panoptic", "semantic")
    with graph.camera() as camera, graph.listening({"panoptic": Image}) as messages:
        graph.wait_for(lambda: messages["panoptic"], "a panoptic map", camera.send)
    assert "[WARN]" in process.output()
    assert process.output().count("the weights were trained for the semantic task") == 1
