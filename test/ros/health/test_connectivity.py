"""Explanations by transport and reliability; test_node_in_trouble covers a real graph."""

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from bisenetformer_ros.ros.health.connectivity import TRANSPORT_VARIABLE, ImageSubscription, explain_lost_images
from bisenetformer_ros.ros.transports import TRANSPORTS

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
        ("", RELIABLE, RELIABLE, "cannot keep up"),
        ("LARGE_DATA", BEST_EFFORT, BEST_EFFORT, "cannot keep up"),
        ("LARGE_DATA?max_msg_size=1MB", BEST_EFFORT, BEST_EFFORT, "cannot keep up"),
    ],
)
def test_lost_images_are_explained_by_transport_and_reliability(monkeypatch, transport, publisher, subscription, words):
    monkeypatch.setenv(TRANSPORT_VARIABLE, transport)
    info = TopicEndpointInfo(node_name="camera", node_namespace="/", qos_profile=publisher)
    images = ImageSubscription("image_raw", "/image_raw", TRANSPORTS["raw"], subscription, [info])
    assert words in explain_lost_images(images)
