"""Why a segmentation node gives no output: its own diagnostics, and what only another process can see."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, qos_check_compatible
from rclpy.utilities import get_rmw_implementation_identifier

from bisenetformer_ros.ros.health.clock import clock_of
from bisenetformer_ros.ros.health.connectivity import explain_deleted_files, explain_users, node_name, qos_reason
from bisenetformer_ros.ros.health.findings import ERROR, OK, WARN
from bisenetformer_ros.ros.health.middleware import (
    FAST_DDS,
    TRANSPORT_VARIABLE,
    explain_no_router,
    explain_other_vendor,
    variables_of,
)
from bisenetformer_ros.ros.health.observer import OBSERVER, NodeObserver, Observation
from bisenetformer_ros.ros.health.peers import closed_between, other_users, users_of_domain, users_without_files
from bisenetformer_ros.ros.initialization import initialize_ros

DOCTOR = "the doctor"
MAX_CLOCK_OFFSET_S = 5.0


@dataclass(frozen=True)
class Diagnosis:
    """A finding about a topic or a part of a node."""

    subject: str
    level: int  # OK, WARN or ERROR
    text: str


def diagnose(wanted: str, seconds: float) -> dict[str, list[Diagnosis]]:
    """Diagnose the segmentation nodes of the graph.

    Args:
        wanted: Full name of a node; empty for all segmentation nodes.
        seconds: Time to observe each node.

    Returns:
        Node → diagnoses, most severe first.

    Raises:
        ConfigError: ROS cannot start.
    """
    context = rclpy.Context()
    initialize_ros([], context=context)
    observer = NodeObserver(context)
    try:
        names = [name for name in observer.find() if wanted in ("", name)]
        if not names:
            return {wanted or "no node": [_not_found(observer, wanted)]}
        return {name: examine(observer, name, seconds) for name in names}
    finally:
        observer.close()
        rclpy.shutdown(context=context)


def examine(observer: NodeObserver, name: str, seconds: float) -> list[Diagnosis]:
    """Observe one node for `seconds`; return its diagnoses, most severe first."""
    seen = observer.observe(name, seconds)
    diagnoses = [
        *_presence(seen, observer.node),
        *_lifecycle(seen),
        *_diagnostics(seen),
        *_time(seen, observer.node),
        *_outputs(seen, observer.node),
    ]
    if seen.num_results:
        reader = "" if _has_subscribers(seen, observer.node) else " for the doctor; otherwise idle: no subscribers"
        text = f"{seen.num_results} frames segmented in {seen.seconds:.1f} s{reader}"
        diagnoses.append(Diagnosis("outputs", OK, text))
    elif all(diagnosis.level == OK for diagnosis in diagnoses):
        text = f"no frame segmented in {seen.seconds:.1f} s, for an unknown reason"
        diagnoses.append(Diagnosis("outputs", WARN, text))
    return sorted(diagnoses, key=lambda diagnosis: -diagnosis.level)


def _not_found(observer: NodeObserver, wanted: str) -> Diagnosis:
    rmw, others = get_rmw_implementation_identifier(), observer.other_nodes()
    text = (
        f"no segmentation node{f' {wanted}' if wanted else ''} found; "
        f"nodes in the graph: {', '.join(others) or 'none'}. Start it with "
        "`ros2 launch bisenetformer_ros segment.launch.py`, or compare its "
        f"{variables_of(rmw)} with those of this shell"
    )
    if router := explain_no_router(rmw, len(others)):
        text += f". If it runs already: {router}"
    if rmw.startswith(FAST_DDS) and (users := users_of_domain(observer.node.context.get_domain_id()) - {os.geteuid()}):
        text += f". If it runs already: {explain_users(users, DOCTOR, os.geteuid())}"
    if deleted := explain_deleted_files(users_without_files(observer.node.context.get_domain_id())):
        text += f". If it runs already: {deleted}"
    return Diagnosis("node", ERROR, text)


def _presence(seen: Observation, node: Node) -> Iterator[Diagnosis]:
    if seen.num_nodes > 1:
        text = f"{seen.num_nodes} nodes are named {seen.name}: give each a unique name with `-r __node:=NAME`"
        yield Diagnosis("node", ERROR, text)
    if seen.state is not None and seen.statuses:
        return
    rmw = get_rmw_implementation_identifier()
    if seen.state is None:
        text, cause = "the node is in the graph, but its services do not respond", "it hangs or was just killed"
    else:
        text = "the node's services respond, but its /diagnostics do not arrive"
        differs = f"{TRANSPORT_VARIABLE} differs between the node and this shell, or "
        cause = f"{differs if rmw.startswith(FAST_DDS) else ''}the machine is overloaded"
    own = node.get_publishers_info_by_topic(f"{seen.name}/transition_event")
    if vendors := {problem for info in own if (problem := explain_other_vendor(rmw, info.endpoint_gid, DOCTOR))}:
        cause = ", or ".join(vendors)
    elif users := other_users(node, own):
        cause = explain_users(users, DOCTOR, os.geteuid())
    elif users := users_without_files(node.context.get_domain_id()):
        cause = explain_deleted_files(users)
    yield Diagnosis("node", ERROR, f"{text}: {cause}")


def _lifecycle(seen: Observation) -> Iterator[Diagnosis]:
    steps = {"unconfigured": ("configure", "activate"), "inactive": ("activate",)}.get(seen.state or "", ())
    if steps:
        commands = " and ".join(f"`ros2 lifecycle set {seen.name} {step}`" for step in steps)
        yield Diagnosis("node", ERROR, f"the node is {seen.state}, not subscribed to images: run {commands}")
    elif seen.state == "finalized":
        yield Diagnosis("node", ERROR, "the node is shut down: restart it")
    if seen.parameters.get("enable") is False:
        text = f"disabled: all images are dropped; run `ros2 param set {seen.name} enable true`"
        yield Diagnosis("node", ERROR, text)


def _diagnostics(seen: Observation) -> Iterator[Diagnosis]:
    """The node's own findings."""
    for subject, status in seen.statuses.items():
        level = status.level[0]
        if level != OK or seen.state == "active":
            yield Diagnosis(subject, level, status.message)


def _time(seen: Observation, node: Node) -> Iterator[Diagnosis]:
    is_simulated = seen.parameters.get("use_sim_time")
    if is_simulated is None:
        return
    clock = clock_of(node, seen.name, is_simulated)
    if clock.problem:
        yield Diagnosis("time", ERROR, clock.problem)
    elif clock.sources and not is_simulated:
        yield Diagnosis("time", WARN, clock.advice)
    elif not is_simulated and seen.clock_ahead_s is not None and abs(seen.clock_ahead_s) > MAX_CLOCK_OFFSET_S:
        text = f"the node's clock is {seen.clock_ahead_s:+.0f} s off this machine's: synchronize the clocks"
        yield Diagnosis("time", WARN, text)


def _outputs(seen: Observation, node: Node) -> Iterator[Diagnosis]:
    """Subscribers that receive nothing."""
    for topic in seen.outputs:
        for publisher in node.get_publishers_info_by_topic(topic):
            for info in node.get_subscriptions_info_by_topic(topic):
                compatibility, reason = qos_check_compatible(publisher.qos_profile, info.qos_profile)
                if compatibility == QoSCompatibility.ERROR:
                    text = f"{node_name(info)} receives nothing: it requests an incompatible QoS ({qos_reason(reason)})"
                    yield Diagnosis(topic, ERROR, f"{text}; outputs are reliable, volatile, keep last 1")
                elif uids := closed_between(publisher, info):
                    cause = explain_users([uids[1]], "the node", uids[0])
                    yield Diagnosis(topic, ERROR, f"{node_name(info)} receives nothing: {cause}")


def _has_subscribers(seen: Observation, node: Node) -> bool:
    """Whether another node than the observer subscribes to an output."""
    infos = chain.from_iterable(map(node.get_subscriptions_info_by_topic, seen.outputs))
    return any(node_name(info) != OBSERVER for info in infos)
