"""config/sros2/policy.xml grants exactly the topics and services that the running nodes have."""

import xml.etree.ElementTree
from collections.abc import Iterable

import pytest
from sensor_msgs.msg import Image, PointCloud2

from bisenetformer_ros.resources import share_dir

SEGMENTATION, PROJECTION, NAMESPACE = "bisenetformer", "bisenetformer_projection", "/"
LATER = "get_type_description"
"""A service that older distributions lack."""


def granted(node: str, kind: str, access: str) -> set[str]:
    """The full names under <topics access="ALLOW"> or <services access="ALLOW"> of the node."""
    policy = xml.etree.ElementTree.parse(share_dir() / "config" / "sros2" / "policy.xml").getroot()
    profile = policy.find(f".//profile[@node='{node}'][@ns='{NAMESPACE}']")
    names = [name.text for name in profile.findall(f"{kind}s[@{access}='ALLOW']/{kind}")]
    assert len(names) == len(set(names))
    return {name.replace("~", f"/{node}") if name.startswith(("~", "/")) else f"/{name}" for name in names}


def names_of(endpoints: Iterable[tuple[str, list[str]]]) -> set[str]:
    return {name for name, _ in endpoints}


@pytest.fixture(scope="module", params=[SEGMENTATION, PROJECTION])
def node(request, graph, start, start_node, weights) -> str:
    """The name of a running node, which has its inputs while somebody subscribes to an output."""
    if request.param == SEGMENTATION:
        graph.wait_until_active(start_node({"model": str(weights), "use_sim_time": "true"}))
        graph.node.create_subscription(Image, f"/{SEGMENTATION}/mask", lambda _: None, 1)
    else:
        arguments = ["--ros-args", "-p", "use_sim_time:=true"]
        start("-m", "bisenetformer_ros.ros.projection.projection_node", *arguments)
        graph.node.create_subscription(PointCloud2, f"/{PROJECTION}/points", lambda _: None, 1)
    nodes = graph.node.get_node_names_and_namespaces
    graph.wait_for(lambda: (request.param, NAMESPACE) in nodes(), "the node's name in the graph")
    return request.param


def test_enclaves():
    policy = xml.etree.ElementTree.parse(share_dir() / "config" / "sros2" / "policy.xml").getroot()
    enclaves = {e.get("path"): [p.get("node") for p in e.iter("profile")] for e in policy.iter("enclave")}
    assert enclaves == {f"/{node}": [node] for node in (SEGMENTATION, PROJECTION)}


def test_published_topics(graph, node):
    def has() -> set[str]:
        return names_of(graph.node.get_publisher_names_and_types_by_node(node, NAMESPACE))

    graph.wait_for(lambda: granted(node, "topic", "publish") <= has(), "every topic that is granted")
    assert has() == granted(node, "topic", "publish")


def test_subscribed_topics(graph, node):
    def has() -> set[str]:
        return names_of(graph.node.get_subscriber_names_and_types_by_node(node, NAMESPACE))

    graph.wait_for(lambda: granted(node, "topic", "subscribe") <= has(), "every topic that is granted")
    assert has() == granted(node, "topic", "subscribe")


def test_provided_services(graph, node):
    def has() -> set[str]:
        return names_of(graph.node.get_service_names_and_types_by_node(node, NAMESPACE))

    replied = granted(node, "service", "reply")
    graph.wait_for(lambda: replied - {f"/{node}/{LATER}"} <= has(), "every service that is granted")
    assert has() <= replied


def test_services_called(graph, node):
    assert not graph.node.get_client_names_and_types_by_node(node, NAMESPACE)
    assert not granted(node, "service", "request")


def test_actions(graph, node):
    """Actions have hidden topics."""
    topics = names_of(graph.node.get_topic_names_and_types(no_demangle=False))
    assert not [topic for topic in topics if "/_action/" in topic]
