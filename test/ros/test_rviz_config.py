import yaml

from bisenetformer_ros.resources import share_dir
from bisenetformer_ros.ros.node.input import TOPIC
from bisenetformer_ros.ros.node.outputs import frame_outputs
from bisenetformer_ros.ros.node.segmentation_node import DEFAULT_NAME


def test_every_display_shows_an_image_topic_that_the_node_has():
    layout = yaml.safe_load((share_dir() / "config" / "rviz" / "segment.rviz").read_text())
    displays = layout["Visualization Manager"]["Displays"]
    assert {display["Class"] for display in displays} == {"rviz_default_plugins/Image"}
    topics = [display["Topic"]["Value"] for display in displays]
    assert topics == [f"/{DEFAULT_NAME}/overlay", f"/{DEFAULT_NAME}/color_mask", f"/{TOPIC}"]
    assert {"overlay", "color_mask"} <= frame_outputs("semantic").keys()
