"""Observes a segmentation node from another process: its services, diagnostics and topics."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.client import Client
from rclpy.clock import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time

from bisenetformer_ros.msg import Latency

OBSERVER = "/doctor"
"""Full name of the observing node."""
DISCOVERY_S = 5.0
"""Time limit for the discovery of other processes and their topics."""
ANSWER_S = 3.0
VERDICT_S = 10.0
"""Time limit for a node that nobody subscribed to before: it subscribes to its camera, and waits for a first image."""
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
NOT_PER_FRAME = ("label_info", "label_map", "transition_event")
PARAMETERS = ("use_sim_time", "enable", "image_transport")


@dataclass(frozen=True)
class Observation:
    """A segmentation node over a few seconds."""

    name: str  # full name
    num_nodes: int  # with this name
    state: str | None  # of the lifecycle; None if the node does not respond
    parameters: dict[str, Any]  # PARAMETERS; empty if the node does not respond
    statuses: dict[str, DiagnosticStatus]  # subject → latest status
    clock_ahead_s: float | None  # clock of the node minus that of this machine; None without diagnostics
    outputs: tuple[str, ...]  # topics that are published once per frame
    num_results: int  # frames segmented during the observation
    seconds: float  # time of the observation


class NodeObserver:
    """A node that observes others. It subscribes to their ~/latency, but does not change them otherwise."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node: Node = rclpy.create_node(OBSERVER.strip("/"), context=context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._diagnostics: list[tuple[float, DiagnosticArray]] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()

    def find(self) -> list[str]:
        """Return the names of all segmentation nodes as soon as one is found; an empty list after DISCOVERY_S."""
        self._spin(DISCOVERY_S, until=lambda: bool(self._segmentation_nodes()))
        self._spin(0.3)  # others may be discovered right after the first
        return self._segmentation_nodes()

    def other_nodes(self) -> list[str]:
        """Return the names of all nodes of the graph but the observer."""
        return sorted({_join(*names) for names in self.node.get_node_names_and_namespaces()} - {OBSERVER})

    def observe(self, name: str, seconds: float) -> Observation:
        """Observe a node for `seconds`, and for up to VERDICT_S more if it neither segments nor says why not."""
        state = self._call(GetState, f"{name}/get_state")
        values = self._call(GetParameters, f"{name}/get_parameters", names=list(PARAMETERS))
        known = map(parameter_value_to_python, values.values if values else [])
        parameters = dict(zip(PARAMETERS, known, strict=False))
        self._diagnostics.clear()
        start = time.monotonic()
        with self._counting_results(name) as results:
            self._spin(seconds)
            if state and state.current_state.label == "active" and parameters.get("enable") is not False:
                self._spin(VERDICT_S, until=lambda: bool(results) or self._reports_problem(name))
        observed_s = time.monotonic() - start
        clock_ahead_s, statuses = self._newest(name)
        return Observation(
            name=name,
            num_nodes=[_join(*names) for names in self.node.get_node_names_and_namespaces()].count(name),
            state=state and state.current_state.label,
            parameters=parameters,
            statuses=statuses,
            clock_ahead_s=clock_ahead_s,
            outputs=tuple(self._frame_topics(name)),
            num_results=len(results),
            seconds=observed_s,
        )

    def _newest(self, name: str) -> tuple[float | None, dict[str, DiagnosticStatus]]:
        """The latest diagnostics of a node: how far its clock is ahead, and subject → status."""
        own = [(ahead, array) for ahead, array in self._diagnostics if _is_from(array, name)]
        clock_ahead_s, array = own[-1] if own else (None, DiagnosticArray())
        return clock_ahead_s, {status.name.partition(": ")[2]: status for status in array.status}

    def _reports_problem(self, name: str) -> bool:
        """Whether the latest diagnostics of a node have a finding about a camera."""
        _, statuses = self._newest(name)
        return any(status.level != DiagnosticStatus.OK for subject, status in statuses.items() if subject[:1] == "/")

    def _segmentation_nodes(self) -> list[str]:
        found = {_join(*names) for names in self.node.get_node_names_and_namespaces()}
        services = {service for service, _ in self.node.get_service_names_and_types()}
        return sorted(name for name in found if {f"{name}/enable", f"{name}/change_state"} <= services)

    def _frame_topics(self, name: str) -> Iterator[str]:
        for topic, _ in self.node.get_topic_names_and_types():
            once_per_frame = topic.startswith(f"{name}/") and topic.rpartition("/")[2] not in NOT_PER_FRAME
            if once_per_frame and self.node.count_publishers(topic):
                yield topic

    @contextmanager
    def _counting_results(self, name: str) -> Iterator[list[Latency]]:
        """Collect ~/latency; the node segments as long as it has a subscriber."""
        results: list[Latency] = []
        topics = [topic for topic in self._frame_topics(name) if topic.endswith("/latency")]
        subscriptions = [self.node.create_subscription(Latency, topic, results.append, RELIABLE) for topic in topics]
        try:
            yield results
        finally:
            for subscription in subscriptions:
                self.node.destroy_subscription(subscription)

    def _call(self, kind: Any, name: str, **fields: Any) -> Any | None:
        """The response of a service; None on timeout."""
        client: Client = self.node.create_client(kind, name)
        try:
            if not self._spin(ANSWER_S, until=client.service_is_ready):
                return None
            future = client.call_async(kind.Request(**fields))
            return future.result() if self._spin(ANSWER_S, until=future.done) else None
        finally:
            self.node.destroy_client(client)

    def _spin(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Spin until `until` returns true, for at most `seconds`; return whether it did."""
        deadline = time.monotonic() + seconds
        while not (reached := until()) and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)
        return reached

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        ahead = Time.from_msg(message.header.stamp, ClockType.ROS_TIME) - self.node.get_clock().now()
        self._diagnostics.append((ahead.nanoseconds * 1e-9, message))


def _join(name: str, namespace: str) -> str:
    return f"{namespace.rstrip('/')}/{name}"


def _is_from(array: DiagnosticArray, name: str) -> bool:
    return any(status.hardware_id == name for status in array.status)
