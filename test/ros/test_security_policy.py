"""config/sros2/policy.xml grants exactly the topics and services that a running node has."""

import xml.etree.ElementTree
from collections.abc import Iterable

import pytest

from bisenetformer_ros.resources import share_dir

NODE, NAMESPACE = "bisenetformer", "/"
LATER = {"/bisenetformer/get_type_description"}
"""Services that older distributions lack."""


def granted(kind: str, access: str) -> set[str]:
    """The full names under <topics access="ALLOW"> or <services access="ALLOW">."""
    policy = xml.etree.ElementTree.parse(share_dir() / "config" / "sros2" / "policy.xml").getroot()
    profile = policy.find(f".//profile[@node='{NODE}'][@ns='{NAMESPACE}']")
    names = [name.text for name in profile.findall(f"{kind}s[@{access}='ALLOW']/{kind}")]
    assert len(names) == len(set(names))
    return {name.replace("~", f"/{NODE}") if name.startswith(("~", "/")) else f"/{name}" for name in names}


def names_of(endpoints: Iterable[tuple[str, list[str]]]) -> set[str]:
    return {name for name, _ in endpoints}


@pytest.fixture(scope="module")
def process(graph, start_node, weights):
    process = start_node({"model": str(weights), "use_sim_time": "true"})
    graph.wait_until_active(process)
    nodes = graph.node.get_node_names_and_namespaces
    graph.wait_for(lambda: (NODE, NAMESPACE) in nodes(), "the node's name in the graph")
    return process


def test_published_topics(graph, process):
    def has() -> set[str]:
        return names_of(graph.node.get_publisher_names_and_types_by_node(NODE, NAMESPACE))

    graph.wait_for(lambda: granted("topic", "publish") <= has(), "every topic that is granted")
    assert has() == granted("topic", "publish")


def test_subscribed_topics(graph, process):
    def has() -> set[str]:
        return names_of(graph.node.get_subscriber_names_and_types_by_node(NODE, NAMESPACE))

    graph.wait_for(lambda: granted("topic", "subscribe") <= has(), "every topic that is granted")
    assert has() == granted("topic", "subscribe")


def test_provided_services(graph, process):
    def has() -> set[str]:
        return names_of(graph.node.get_service_names_and_types_by_node(NODE, NAMESPACE))

    graph.wait_for(lambda: granted("service", "reply") - LATER <= has(), "every service that is granted")
    assert has() <= granted("service", "reply")


def test_services_called(graph, process):
    assert not graph.node.get_client_names_and_types_by_node(NODE, NAMESPACE)
    assert not granted("service", "request")


def test_actions(graph, process):
    """Actions have hidden topics."""
    topics = names_of(graph.node.get_topic_names_and_types(no_demangle=False))
    assert not [topic for topic in topics if "/_action/" in topic]
