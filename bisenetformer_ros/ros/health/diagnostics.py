"""/diagnostics: one status per camera, one for the model, one for the machine if it is a Jetson."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header

from bisenetformer_ros.ros.health.findings import ERROR, OK, WARN, Finding, judge_frames, silent
from bisenetformer_ros.ros.health.jetson import read_jetson
from bisenetformer_ros.ros.health.silence import explain_loss, explain_silence, node_name
from bisenetformer_ros.ros.health.statistics import FrameReport
from bisenetformer_ros.ros.node.camera import Camera
from bisenetformer_ros.ros.node.cv_bridge_decoder import open_bridge
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True)
class NodeState:
    """What the node is doing. lifecycle: name of its primary state. fault: why the last transition failed, or empty.

    missing_upgrade: why an engine that would be faster does not serve yet, or empty.
    active_since: time.monotonic() of the activation, None unless active.
    """

    lifecycle: str
    fault: str
    segmenter: Segmenter | None
    missing_upgrade: str
    active_since: float | None
    enabled: bool


class Diagnostics:
    """Publishes the state of the node, and logs when its level changes."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._logged_levels: dict[str, int] = {}

    def publish(self, state: NodeState, cameras: Iterable[Camera]) -> None:
        statuses = [self._camera_status(state, camera) for camera in cameras]
        statuses.append(self._status("model", _judge_model(state), _model_values(state)))
        jetson = read_jetson()
        if jetson:
            statuses.append(self._status("jetson", _judge_jetson(jetson), jetson))
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(DiagnosticArray(header=Header(stamp=stamp), status=statuses))

    def _camera_status(self, state: NodeState, camera: Camera) -> DiagnosticStatus:
        report = camera.statistics.report()
        finding = self._judge_camera(state, camera, report)
        self._log(camera.input.topic, finding)
        return self._status(camera.input.topic, finding, _camera_values(report, len(camera.input.publishers())))

    def _judge_camera(self, state: NodeState, camera: Camera, report: FrameReport) -> Finding:
        """All findings in one; its level is the highest of theirs."""
        if state.active_since is None:
            return Finding(OK, f"{state.lifecycle}: not listening")
        if silent(report, time.monotonic() - state.active_since):
            return Finding(ERROR, "no images: " + explain_silence(self._node, camera.input))
        if not state.enabled:
            return Finding(OK, "disabled: every image is dropped; call ~/enable to go on")
        if not camera.outputs.have_listeners():
            return Finding(OK, "idle: nobody listens to an output")
        advice = explain_loss(camera.input.publishers(), camera.input.qos)
        findings = [*judge_frames(report, advice), *_judge_publishers(camera)]
        if findings:
            level = max(finding.level for finding in findings)
            return Finding(level, "; ".join(finding.text for finding in findings))
        if not report.output_rate:
            return Finding(OK, "listening")
        return Finding(OK, f"segmenting {report.output_rate:.1f} images per second")

    def _status(self, name: str, finding: Finding, values: Mapping[str, object]) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=bytes([finding.level]),
            name=f"{self._node.get_name()}: {name}",
            message=finding.text,
            hardware_id=self._node.get_fully_qualified_name(),
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def _log(self, topic: str, finding: Finding) -> None:
        """Not everybody looks at /diagnostics: a change of the level is logged, once."""
        if finding.level == self._logged_levels.get(topic, OK):
            return
        self._logged_levels[topic] = finding.level
        if finding.level == OK:
            self._node.get_logger().info(f"{topic} is well again: {finding.text}")
        else:
            self._node.get_logger().warning(f"{topic}: {finding.text}")


def _judge_publishers(camera: Camera) -> list[Finding]:
    publishers = camera.input.publishers()
    if len(publishers) < 2:
        return []
    names = ", ".join(sorted(node_name(info) for info in publishers))
    return [
        Finding(
            WARN,
            f"{len(publishers)} publishers on {camera.input.topic} ({names}), whose images are mixed: give each camera "
            "a topic of its own, and all of them to this node with the parameter `cameras`",
        )
    ]


def _judge_model(state: NodeState) -> Finding:
    if state.fault:
        return Finding(ERROR, state.fault)
    if state.missing_upgrade:
        return Finding(WARN, f"{state.segmenter.engine.name} serves; {state.missing_upgrade}")
    return Finding(OK, state.lifecycle)


def _judge_jetson(values: Mapping[str, str]) -> Finding:
    if values.get("throttling", "none") != "none":
        return Finding(WARN, f"throttled ({values['throttling']}) and therefore slow; improve cooling or power supply")
    return Finding(OK, "not throttled")


def _camera_values(report: FrameReport, publishers: int) -> dict[str, object]:
    values: dict[str, object] = {
        "frame_rate_node": f"{report.arrival_rate:.2f}",
        "frame_rate_msg": f"{report.stamp_rate:.2f}",
        "frame_rate_output": f"{report.output_rate:.2f}",
        "num_publishers": publishers,
        "num_non_increasing_msg": report.non_increasing,
        **{f"num_{name}": count for name, count in sorted(report.noted.items())},
        "total_received_frames": report.received,
        "total_segmented_frames": report.segmented,
        "total_dropped_frames": sum(report.dropped.values()),
        **{f"dropped.{reason}": count for reason, count in sorted(report.dropped.items())},
        **{f"published.{topic}": count for topic, count in sorted(report.published.items())},
    }
    if report.delay_ms is not None:
        values["current_delay_from_realtime_ms"] = f"{report.delay_ms:.1f}"
    for stage, (p50, p95, p99) in report.latency_ms.items():
        values |= {f"{stage}_ms_p50": f"{p50:.1f}", f"{stage}_ms_p95": f"{p95:.1f}", f"{stage}_ms_p99": f"{p99:.1f}"}
    return values


def _model_values(state: NodeState) -> dict[str, object]:
    if state.segmenter is None:
        return {"state": state.lifecycle}
    engine, labels = state.segmenter.engine, state.segmenter.labels
    return {
        "state": state.lifecycle,
        "model": engine.metadata.name,
        "engine": engine.name,
        "device": engine.device,
        "precision": engine.precision,
        "task": state.segmenter.task,
        "label_map": f"{labels.name} ({len(labels)} classes)",
        "image_decoder": open_bridge(),
    }
