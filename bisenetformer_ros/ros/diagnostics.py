"""/diagnostics: one status for the images, one for the model, one for the machine if it is a Jetson."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from std_msgs.msg import Header

from bisenetformer_ros.ros.findings import ERROR, OK, WARN, Finding, judge_frames, silent
from bisenetformer_ros.ros.frame_statistics import FrameReport, FrameStatistics
from bisenetformer_ros.ros.image_input import ImageInput
from bisenetformer_ros.ros.jetson import read_jetson
from bisenetformer_ros.ros.silence import explain_loss, explain_silence
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True)
class NodeState:
    """What the node is doing. lifecycle: name of its primary state. fault: why the last transition failed, or empty.

    active_since: time.monotonic() of the activation, None unless active.
    """

    lifecycle: str
    fault: str
    segmenter: Segmenter | None
    active_since: float | None
    enabled: bool
    has_listeners: bool


class Diagnostics:
    """Publishes the state of the node, and logs when its level changes."""

    def __init__(self, node: Node, statistics: FrameStatistics, image_input: ImageInput) -> None:
        self._node = node
        self._statistics = statistics
        self._input = image_input
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._logged_level = OK

    def publish(self, state: NodeState) -> None:
        report = self._statistics.report()
        finding = self._judge_input(state, report)
        self._log(finding)
        statuses = [
            self._status(self._input.topic, finding, _input_values(report)),
            self._status("model", _judge_model(state), _model_values(state, report)),
        ]
        jetson = read_jetson()
        if jetson:
            statuses.append(self._status("jetson", _judge_jetson(jetson), jetson))
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(DiagnosticArray(header=Header(stamp=stamp), status=statuses))

    def _judge_input(self, state: NodeState, report: FrameReport) -> Finding:
        """All findings in one; its level is the highest of theirs."""
        if state.active_since is None:
            return Finding(OK, f"{state.lifecycle}: not listening")
        qos = self._input.qos
        if silent(report, time.monotonic() - state.active_since):
            return Finding(ERROR, "no images: " + explain_silence(self._node, self._input.topic, qos))
        if not state.enabled:
            return Finding(OK, "disabled: every image is dropped; call ~/enable to go on")
        if not state.has_listeners:
            return Finding(OK, "idle: nobody listens to an output")
        findings = judge_frames(report, explain_loss(self._input.publishers(), qos))
        if findings:
            return Finding(findings[0].level, "; ".join(finding.text for finding in findings))
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

    def _log(self, finding: Finding) -> None:
        """Not everybody looks at /diagnostics: a change of the level is logged, once."""
        if finding.level == self._logged_level:
            return
        self._logged_level = finding.level
        if finding.level == OK:
            self._node.get_logger().info(f"well again: {finding.text}")
        else:
            self._node.get_logger().warning(finding.text)


def _judge_model(state: NodeState) -> Finding:
    if state.fault:
        return Finding(ERROR, state.fault)
    return Finding(OK, state.lifecycle)


def _judge_jetson(values: Mapping[str, str]) -> Finding:
    if values.get("throttling", "none") != "none":
        return Finding(WARN, f"throttled ({values['throttling']}) and therefore slow; improve cooling or power supply")
    return Finding(OK, "not throttled")


def _input_values(report: FrameReport) -> dict[str, object]:
    values: dict[str, object] = {
        "frame_rate_node": f"{report.arrival_rate:.2f}",
        "frame_rate_msg": f"{report.stamp_rate:.2f}",
        "frame_rate_output": f"{report.output_rate:.2f}",
        "num_non_increasing_msg": report.non_increasing,
        "total_received_frames": report.received,
        "total_segmented_frames": report.segmented,
        "total_dropped_frames": sum(report.dropped.values()),
    }
    if report.delay_ms is not None:
        values["current_delay_from_realtime_ms"] = f"{report.delay_ms:.1f}"
    return values | {f"dropped.{reason}": count for reason, count in sorted(report.dropped.items())}


def _model_values(state: NodeState, report: FrameReport) -> dict[str, object]:
    values: dict[str, object] = {"state": state.lifecycle}
    if state.segmenter is not None:
        engine = state.segmenter.engine
        labels = state.segmenter.labels
        values |= {
            "model": engine.metadata.name,
            "engine": engine.name,
            "device": engine.device,
            "precision": engine.precision,
            "task": state.segmenter.task,
            "label_map": f"{labels.name} ({len(labels)} classes)",
        }
    for stage, (p50, p95, p99) in report.latency_ms.items():
        values |= {f"{stage}_ms_p50": f"{p50:.1f}", f"{stage}_ms_p95": f"{p95:.1f}", f"{stage}_ms_p99": f"{p99:.1f}"}
    return values
