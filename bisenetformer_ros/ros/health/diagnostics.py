"""/diagnostics: one status per camera, one for the model, and one for the machine if it is a Jetson."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Header

from bisenetformer_ros.images.raw import DecodingReport
from bisenetformer_ros.inference.engines.switching import measured_times
from bisenetformer_ros.machine import oversubscription
from bisenetformer_ros.ros.cv_bridge_decoder import open_bridge
from bisenetformer_ros.ros.health.clock import NodeClock, clock_of
from bisenetformer_ros.ros.health.connectivity import (
    CameraInfoSubscription,
    ImageSubscription,
    explain_deleted_files,
    explain_lost_images,
    explain_no_camera_info,
    explain_no_images,
    loses_images,
    node_name,
)
from bisenetformer_ros.ros.health.findings import (
    ERROR,
    FIRST_FRAME_S,
    OK,
    WARN,
    Finding,
    decoding_findings,
    frame_findings,
    frames_overdue,
)
from bisenetformer_ros.ros.health.jetson import read_jetson
from bisenetformer_ros.ros.health.peers import lacks_files
from bisenetformer_ros.ros.health.statistics import MAX_PERIOD_WINDOW_S, FrameReport
from bisenetformer_ros.ros.health.statuses import make_status
from bisenetformer_ros.segmenter import Segmenter


@dataclass(frozen=True)
class CameraState:
    """One camera at the moment of a report."""

    subscription: ImageSubscription
    report: FrameReport
    has_subscribers: bool  # to any of its outputs
    decoding: DecodingReport
    bit_depth: int  # value of the parameter
    camera_info: CameraInfoSubscription


@dataclass(frozen=True)
class NodeState:
    """The node at the moment of a report."""

    lifecycle: str  # name of the primary state
    fault: str  # why the last transition failed, or empty
    segmenter: Segmenter | None  # None unless configured
    missing_upgrade: str  # why a faster engine does not serve yet, or empty
    jpeg_problem: str  # why JPEGs are not decoded as the parameter states, or empty
    active_since: float | None  # time.monotonic() of the activation; None unless active
    enabled: bool
    cameras: Sequence[CameraState]


class Diagnostics:
    """Publishes the state of the node, and logs when the level of a camera changes or the node has lost its files."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._logged: dict[str, tuple[int, str]] = {}  # topic → level, why files are lost
        self._mixed_at: dict[str, float] = {}  # topic → time.monotonic() when it had several publishers

    def publish(self, state: NodeState) -> None:
        problem = explain_deleted_files([os.geteuid()]) if lacks_files() else ""
        statuses = [self._camera_status(state, camera, problem) for camera in state.cameras]
        statuses.append(make_status(self._node, "model", _model_finding(state), _model_values(state)))
        jetson = read_jetson()
        if jetson:
            statuses.append(make_status(self._node, "jetson", _jetson_finding(jetson), jetson))
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(DiagnosticArray(header=Header(stamp=stamp), status=statuses))

    def _camera_status(self, state: NodeState, camera: CameraState, deleted_files: str) -> DiagnosticStatus:
        """deleted_files: Why the middleware of this process has lost its files, or empty."""
        if self._is_mixed(camera.subscription):  # their stamps interleave
            camera = replace(camera, report=replace(camera.report, missing=0, camera_rate=0.0))
        finding = _with_deleted_files(self._camera_finding(state, camera), deleted_files)
        if finding.level != OK or camera.report.output_rate:  # while idle or waiting, a problem may just not show
            self._log(camera.subscription.topic, finding, deleted_files)
        info = camera.camera_info
        values = _camera_values(camera)
        values["camera_info"] = info.topic if info.arrived else explain_no_camera_info(self._node, info)
        return make_status(self._node, camera.subscription.topic, finding, values)

    def _camera_finding(self, state: NodeState, camera: CameraState) -> Finding:
        """All findings in one, at their highest level."""
        report = camera.report
        if state.active_since is None:
            return Finding(OK, f"{state.lifecycle}: not subscribed")
        seconds = time.monotonic() - max(state.active_since, camera.subscription.since)
        if frames_overdue(report, seconds) and (reason := explain_no_images(self._node, camera.subscription)):
            return Finding(ERROR, f"no images: {reason}")
        if not state.enabled:
            return Finding(OK, "disabled: all images are dropped; call ~/enable to resume")
        if not camera.has_subscribers:
            return Finding(OK, "idle: no subscribers")
        clock = self._clock()
        clock_findings = [Finding(WARN, clock.problem)] if clock.problem else []
        transport_loss = ""
        if report.missing or (not report.camera_rate and loses_images(camera.subscription, report.image_bytes)):
            transport_loss = explain_lost_images(self._node, camera.subscription, report.image_bytes)
        findings = [
            *_publisher_findings(camera.subscription),
            *clock_findings,
            *frame_findings(report, transport_loss, "" if clock_findings else clock.advice, oversubscription()),
            *decoding_findings(camera.decoding, camera.bit_depth),
            *self._camera_info_findings(camera.camera_info, time.monotonic() - state.active_since),
        ]
        if findings:
            level = max(finding.level for finding in findings)
            return Finding(level, "; ".join(finding.text for finding in findings))
        if not report.output_rate:
            return Finding(OK, "waiting for results")
        return Finding(OK, f"segmenting at {report.output_rate:.1f} Hz")

    def _clock(self) -> NodeClock:
        is_simulated = self._node.get_parameter("use_sim_time").value
        return clock_of(self._node, self._node.get_fully_qualified_name(), is_simulated)

    def _is_mixed(self, subscription: ImageSubscription) -> bool:
        """Whether the stamps of the latest frames may come from several publishers."""
        now = time.monotonic()
        if len(subscription.publishers) > 1:
            self._mixed_at[subscription.topic] = now
        return now - self._mixed_at.get(subscription.topic, -inf) < MAX_PERIOD_WINDOW_S

    def _camera_info_findings(self, info: CameraInfoSubscription, seconds_active: float) -> Iterator[Finding]:
        if info.is_wanted and not info.arrived and seconds_active > FIRST_FRAME_S:
            yield Finding(WARN, f"no calibration for ~/camera_info: {explain_no_camera_info(self._node, info)}")

    def _log(self, topic: str, finding: Finding, deleted_files: str) -> None:
        """Log changes of the level and the loss of files, for users who do not watch /diagnostics."""
        if (finding.level, deleted_files) == self._logged.get(topic, (OK, "")):
            return
        self._logged[topic] = finding.level, deleted_files
        if finding.level == OK:
            self._node.get_logger().info(f"{topic} recovered: {finding.text}")
        else:
            self._node.get_logger().warning(f"{topic}: {finding.text}")


def _with_deleted_files(finding: Finding, problem: str) -> Finding:
    """Add that the middleware of this process has lost its files, which may show later in lost images."""
    if not problem or problem in finding.text:
        return finding
    return Finding(max(finding.level, WARN), f"{problem}; {finding.text}")


def _publisher_findings(subscription: ImageSubscription) -> Iterator[Finding]:
    count = len(subscription.publishers)
    if count > 1:
        names = ", ".join(sorted(node_name(info) for info in subscription.publishers))
        yield Finding(
            WARN,
            f"{count} publishers on {subscription.topic} ({names}), so their images are mixed: give each camera its "
            "own topic, and list all cameras in the parameter `cameras`",
        )


def _model_finding(state: NodeState) -> Finding:
    if state.fault:
        return Finding(ERROR, state.fault)
    if state.segmenter is None:
        return Finding(OK, state.lifecycle)
    upgrade = f"{state.segmenter.engine.name} serves; {state.missing_upgrade}" if state.missing_upgrade else ""
    texts = (state.segmenter.task_warning, state.segmenter.engine.warning, upgrade, state.jpeg_problem)
    warnings = [text for text in texts if text]
    return Finding(WARN, "; ".join(warnings)) if warnings else Finding(OK, state.lifecycle)


def _jetson_finding(values: Mapping[str, str]) -> Finding:
    if values.get("throttling", "none") != "none":
        return Finding(WARN, f"throttled ({values['throttling']}): improve the cooling or the power supply")
    return Finding(OK, "not throttled")


def _camera_values(camera: CameraState) -> dict[str, object]:
    report = camera.report
    values: dict[str, object] = {
        "frame_rate_node": f"{report.arrival_rate:.2f}",
        "frame_rate_msg": f"{report.stamp_rate:.2f}",
        "frame_rate_camera": f"{report.camera_rate:.2f}",
        "frame_rate_output": f"{report.output_rate:.2f}",
        "num_publishers": len(camera.subscription.publishers),
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
    times = measured_times(engine)
    return {
        "state": state.lifecycle,
        "model": engine.metadata.name,
        "engine": engine.name,
        "device": engine.device,
        "precision": engine.precision,
        **({"measured": times} if times else {}),
        "task": state.segmenter.task,
        "trained_for": engine.metadata.task,
        "label_map": f"{labels.name} ({len(labels)} classes)",
        "image_decoder": open_bridge()[2],
    }
