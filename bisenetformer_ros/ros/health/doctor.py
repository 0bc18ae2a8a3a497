"""Why a segmentation node gives no output, in plain words: what it says of itself, and what it cannot know."""

from collections.abc import Iterator
from dataclasses import dataclass

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSCompatibility, qos_check_compatible

from bisenetformer_ros.ros.health.findings import ERROR, OK, WARN
from bisenetformer_ros.ros.health.observer import OBSERVER, Observation, Observer
from bisenetformer_ros.ros.health.silence import TRANSPORT_VARIABLE, node_name, reason_for_people

CLOCKS_DIFFER_S = 5.0


@dataclass(frozen=True)
class Diagnosis:
    """subject: a topic, or a part of the node. level: OK, WARN or ERROR. text: the case and what to do about it."""

    subject: str
    level: int
    text: str


def diagnose(wanted: str, seconds: float) -> dict[str, list[Diagnosis]]:
    """Node → everything that is worth telling about it, the worst first.

    wanted: the full name of a node; empty for all segmentation nodes of the graph. seconds: for each.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    observer = Observer(context)
    try:
        names = [name for name in observer.find() if wanted in ("", name)]
        if not names:
            return {wanted or "no node": [_explain_absence(observer, wanted)]}
        return {name: examine(observer, name, seconds) for name in names}
    finally:
        observer.close()
        rclpy.shutdown(context=context)


def examine(observer: Observer, name: str, seconds: float) -> list[Diagnosis]:
    """One node, for `seconds`; the worst comes first."""
    seen = observer.observe(name, seconds)
    diagnoses = [
        *_presence(seen),
        *_lifecycle(seen),
        *_own_words(seen),
        *_time(seen, observer.node),
        *_outputs(seen, observer.node),
    ]
    if seen.results:
        diagnoses.append(Diagnosis("outputs", OK, f"{seen.results} frames were segmented in {seconds:g} s"))
    elif all(diagnosis.level == OK for diagnosis in diagnoses):
        text = f"no frame was segmented in {seconds:g} s, although nothing is known to be wrong"
        diagnoses.append(Diagnosis("outputs", WARN, text))
    return sorted(diagnoses, key=lambda diagnosis: -diagnosis.level)


def _explain_absence(observer: Observer, wanted: str) -> Diagnosis:
    """For a graph without any segmentation node, or without the `wanted` one."""
    others = ", ".join(observer.other_nodes()) or "none"
    return Diagnosis(
        "node",
        ERROR,
        f"there is no segmentation node{f' {wanted}' if wanted else ''}; nodes that are there: {others}. Start it with "
        "`ros2 launch bisenetformer_ros segment.launch.py`, or compare its ROS_DOMAIN_ID, ROS_LOCALHOST_ONLY, "
        f"ROS_AUTOMATIC_DISCOVERY_RANGE and {TRANSPORT_VARIABLE} with those of this shell",
    )


def _presence(seen: Observation) -> Iterator[Diagnosis]:
    if seen.twins > 1:
        text = f"{seen.twins} nodes are called {seen.name}: give each a name of its own with `-r __node:=NAME`"
        yield Diagnosis("node", ERROR, text)
    if seen.state is None:
        text = "the node is in the graph but its services do not answer: it hangs, or it has just been killed"
        yield Diagnosis("node", ERROR, text)
    elif not seen.statuses:
        yield Diagnosis("node", ERROR, f"the node answers, but nothing of it arrives on /diagnostics: {_one_sided()}")


def _one_sided() -> str:
    return f"{TRANSPORT_VARIABLE} is not the same for the node and for this shell, or the machine is overloaded"


def _lifecycle(seen: Observation) -> Iterator[Diagnosis]:
    steps = {"unconfigured": ("configure", "activate"), "inactive": ("activate",)}.get(seen.state or "", ())
    if steps:
        commands = " and ".join(f"`ros2 lifecycle set {seen.name} {step}`" for step in steps)
        yield Diagnosis("node", ERROR, f"the node is {seen.state} and does not listen: run {commands}")
    elif seen.state == "finalized":
        yield Diagnosis("node", ERROR, "the node was shut down: start it again")
    if seen.parameters.get("enable") is False:
        text = f"switched off: every image is dropped; run `ros2 param set {seen.name} enable true`"
        yield Diagnosis("node", ERROR, text)


def _own_words(seen: Observation) -> Iterator[Diagnosis]:
    """What the node has found out itself."""
    for subject, status in seen.statuses.items():
        level = status.level[0]
        if level != OK or seen.state == "active":
            yield Diagnosis(subject, level, status.message)


def _time(seen: Observation, node: Node) -> Iterator[Diagnosis]:
    clocks = ", ".join(sorted(node_name(info) for info in node.get_publishers_info_by_topic("/clock")))
    simulated = seen.parameters.get("use_sim_time")
    if simulated and not clocks:
        text = (
            "use_sim_time is set but nobody publishes /clock, so that its time stands still: start the simulator, play "
            f"the recording with --clock, or run `ros2 param set {seen.name} use_sim_time false`"
        )
        yield Diagnosis("time", ERROR, text)
    elif simulated is False and clocks:
        text = (
            f"{clocks} publishes /clock but the node goes by the machine's clock: if its images are of a simulation or "
            f"a recording, run `ros2 param set {seen.name} use_sim_time true`"
        )
        yield Diagnosis("time", WARN, text)
    elif simulated is False and seen.clock_ahead_s is not None and abs(seen.clock_ahead_s) > CLOCKS_DIFFER_S:
        text = f"the node's clock is {seen.clock_ahead_s:+.0f} s off this machine's: synchronize the machines"
        yield Diagnosis("time", WARN, text)


def _outputs(seen: Observation, node: Node) -> Iterator[Diagnosis]:
    """Listeners whose QoS asks for more than the outputs offer; and whether there are any listeners."""
    listeners = 0
    for topic in seen.outputs:
        for publisher in node.get_publishers_info_by_topic(topic):
            for info in node.get_subscriptions_info_by_topic(topic):
                compatibility, reason = qos_check_compatible(publisher.qos_profile, info.qos_profile)
                listeners += node_name(info) != OBSERVER
                if compatibility == QoSCompatibility.ERROR:
                    text = f"{node_name(info)} hears nothing: it asks for another QoS ({reason_for_people(reason)})"
                    yield Diagnosis(topic, ERROR, f"{text}; the outputs are reliable, volatile, keep last 1")
    if seen.state == "active" and seen.outputs and not listeners:
        yield Diagnosis("outputs", OK, "nobody listens to an output, and so nothing is segmented until somebody does")
