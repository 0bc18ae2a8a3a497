"""Which words go with which transport and reliability; test_node_in_trouble asks the node in a real graph."""

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from bisenetformer_ros.ros.health.silence import TRANSPORT_VARIABLE, explain_loss

RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.mark.parametrize(
    ("transport", "publisher", "subscription", "words"),
    [
        (
            "",
            BEST_EFFORT,
            BEST_EFFORT,
            "config/fastdds/large_images.xml, or make it reliable, or set FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA",
        ),
        ("", RELIABLE, BEST_EFFORT, "set the parameter `reliability` to auto"),
        ("", RELIABLE, RELIABLE, "does not keep up"),
        ("LARGE_DATA", BEST_EFFORT, BEST_EFFORT, "does not keep up"),
        ("LARGE_DATA?max_msg_size=1MB", BEST_EFFORT, BEST_EFFORT, "does not keep up"),
    ],
)
def test_loss_is_explained_by_the_row_of_the_table_in_force(monkeypatch, transport, publisher, subscription, words):
    monkeypatch.setenv(TRANSPORT_VARIABLE, transport)
    info = TopicEndpointInfo(node_name="camera", node_namespace="/", qos_profile=publisher)
    assert words in explain_loss([info], subscription)
