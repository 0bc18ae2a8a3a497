"""examples/nav2_masks: the node as Nav2's lifecycle manager runs it, and the costs that the layer reads."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from sensor_msgs.msg import Image
from vision_msgs.msg import LabelInfo

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "nav2_masks"
NAV2 = ROOT / "config" / "nav2.yaml"


@pytest.fixture(scope="module")
def node(graph, start, weights):
    process = start(
        *("-m", "bisenetformer_ros.ros.node.segmentation_node", "--ros-args"),
        *("--params-file", str(EXAMPLE / "segmentation.yaml")),
        *("-p", f"model:={weights}", "-p", "max_age_ms:=0.0"),  # a busy machine may need longer for a frame
    )
    assert graph.state() == "unconfigured"
    assert graph.change_state("configure")
    assert graph.change_state("activate")
    assert graph.get_parameter("/bisenetformer", "task") == "semantic"
    return process


def source_of(content: dict) -> dict:
    return content["local_costmap"]["local_costmap"]["ros__parameters"]["semantic_layer"]["camera"]


def start_view(start, params_file: Path):
    return start(str(EXAMPLE / "layer_view.py"), "--ros-args", "-p", f"params_file:={params_file}")


def test_layer_view_publishes_the_costs_of_the_parameter_file(graph, start, node):
    view = start_view(start, NAV2)
    costs = graph.collect(Image, "/layer_view/costs")
    labels = graph.collect(LabelInfo, "/bisenetformer/label_info", graph.latched)

    def same_frame() -> list[Image]:
        """Costs, mask and confidence of one camera image."""
        by_stamp = [
            {(message.header.stamp.sec, message.header.stamp.nanosec): message for message in messages}
            for messages in (costs, listened["mask"], listened["confidence"])
        ]
        common = set.intersection(*map(set, by_stamp))
        return [messages[min(common)] for messages in by_stamp] if common and labels else []

    with graph.camera() as camera, graph.listening({"mask": Image, "confidence": Image}) as listened:
        graph.wait_for(lambda: same_frame() or not view.alive(), "the costs of a frame", camera.send)
        assert view.alive(), view.output()
        cost, mask, confidence = (np.frombuffer(message.data, np.uint8).tolist() for message in same_frame())
    assert "is not listed" not in view.output()
    names = {entry.class_id: entry.class_name for entry in labels[0].class_map}
    source = source_of(yaml.safe_load(NAV2.read_text()))
    params = {name: source[kind] for kind in source["class_types"] for name in source[kind]["classes"]}

    def expected(class_params: dict, confidence: int) -> int:
        return class_params["max_cost" if confidence >= class_params.get("mark_confidence", 0) else "base_cost"]

    assert cost == [expected(params[names[i]], sure) for i, sure in zip(mask, confidence, strict=True)]


def test_layer_view_reports_a_class_that_the_parameter_file_does_not_list(graph, start, node, tmp_path):
    content = yaml.safe_load(NAV2.read_text())
    source_of(content)["drive"]["classes"] = ["road"]
    (tmp_path / "nav2.yaml").write_text(yaml.safe_dump(content))
    view = start_view(start, tmp_path / "nav2.yaml")
    graph.wait_for(lambda: "'pavement' is not listed" in view.output() or not view.alive(), "the error")
    assert view.alive(), view.output()
