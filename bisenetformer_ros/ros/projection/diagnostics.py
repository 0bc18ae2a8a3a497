"""/diagnostics of the projection node: one status with the counts, and what keeps results from getting depth."""

import time
from collections.abc import Iterator, Mapping

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import Header

from bisenetformer_ros.machine import oversubscription
from bisenetformer_ros.ros.health.connectivity import explain_no_camera_info, explain_no_images, node_name
from bisenetformer_ros.ros.health.findings import ERROR, MIN_REPLACED_FRACTION, OK, WARN, Finding, frames_overdue
from bisenetformer_ros.ros.health.statistics import WINDOW_S, FrameReport, FrameStatistics
from bisenetformer_ros.ros.health.statuses import make_status
from bisenetformer_ros.ros.projection.inputs import ProjectionInputs
from bisenetformer_ros.ros.projection.pairing import DEPTH, MASK, StampPairing

STATUS = "projection"


class ProjectionDiagnostics:
    """Publishes the state of the node, and logs when its problems change.

    Attributes:
        active_since: time.monotonic() when the subscriptions were opened; None while nobody hears the outputs.
        frame_ids: Those of the latest mask and its depth image.
    """

    def __init__(
        self,
        node: Node,
        inputs: ProjectionInputs,
        pairing: StampPairing,
        statistics: Mapping[str, FrameStatistics],
    ) -> None:
        """statistics: Of mask and depth."""
        self._node = node
        self._inputs = inputs
        self._pairing = pairing
        self._statistics = statistics
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self._logged: set[str] = set()
        self.active_since: float | None = None
        self.frame_ids = ("", "")

    def publish(self) -> None:
        masks, depths = (self._statistics[topic].report() for topic in (MASK, DEPTH))
        problems = {} if self.active_since is None else dict(self._problems(masks, depths, self.active_since))
        if problems:
            level = max(finding.level for finding in problems.values())
            finding = Finding(level, "; ".join(finding.text for finding in problems.values()))
        elif self.active_since is None:
            finding = Finding(OK, "idle: no subscribers")
        else:
            finding = Finding(OK, f"projecting at {masks.output_rate:.1f} Hz")
        self._log(set(problems), finding)
        status = make_status(self._node, STATUS, finding, self._values(masks, depths))
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(DiagnosticArray(header=Header(stamp=stamp), status=[status]))

    def _problems(self, masks: FrameReport, depths: FrameReport, active_since: float) -> Iterator[tuple[str, Finding]]:
        """Every problem with a key, by which a change is noticed."""
        seconds_active = time.monotonic() - active_since
        if frames_overdue(masks, seconds_active):
            yield "no masks", Finding(ERROR, f"no masks: {self._explain_no_masks()}")
        if frames_overdue(depths, seconds_active):
            reason = explain_no_images(self._node, self._inputs.images[DEPTH].state())
            yield "no depth", Finding(ERROR, f"no depth images: {reason}")
        yield from self._mixed_publishers()
        level = WARN if masks.output_rate else ERROR
        for reason, count in masks.recent_dropped.items():
            text = f"{count} of {masks.recent_received} masks in {WINDOW_S:g} s not projected"
            if reason == "no_camera_info":
                cause = explain_no_camera_info(self._node, self._inputs.info_state())
                yield reason, Finding(level, f"{text}, no calibration of the depth image: {cause}")
            elif reason == f"no_{DEPTH}" and is_frequent(count, masks):
                yield reason, Finding(level, f"{text}: {self._explain_unpaired(masks, depths)}")
            elif reason in ("no_panoptic", "no_segments") and is_frequent(count, masks):
                topic = reason.removeprefix("no_")
                yield reason, Finding(level, f"{text}: no {topic} of their stamp: remap it as bisenetformer/mask is")
            elif reason.startswith(("bad_input.", "failed.")):
                yield reason, Finding(level, f"{text}: {masks.details[reason]}")
        yield from self._overload(masks)
        mask_frame, depth_frame = self.frame_ids
        if mask_frame != depth_frame:
            yield (
                "frames",
                Finding(
                    WARN,
                    f"the masks have frame_id '{mask_frame}', the depth images '{depth_frame}': use the camera's depth "
                    "topic that is registered to its colour images",
                ),
            )

    def _mixed_publishers(self) -> Iterator[tuple[str, Finding]]:
        for image in self._inputs.images.values():
            publishers = image.state().publishers
            if len(publishers) > 1:
                names = ", ".join(sorted(node_name(info) for info in publishers))
                yield (
                    f"publishers of {image.topic}",
                    Finding(
                        WARN,
                        f"{len(publishers)} publishers on {image.topic} ({names}), so their images are mixed: start "
                        f"one projection node per camera, and remap {image.name} of each to its camera",
                    ),
                )

    def _explain_no_masks(self) -> str:
        mask = self._inputs.images[MASK]
        if self._node.count_publishers(mask.topic):
            reason = explain_no_images(self._node, mask.state())
            return f"{reason}, or the segmentation node gets no images: see its status in /diagnostics"
        return (
            f"no publisher on {mask.topic}: start the segmentation node, or remap {mask.name}, and panoptic, segments "
            "and label_map likewise, to its topics"
        )

    def _explain_unpaired(self, masks: FrameReport, depths: FrameReport) -> str:
        tolerance = self._pairing.tolerance_ns / 1e6
        return (
            f"no depth image {f'within {tolerance:.1f} ms of' if tolerance else 'with'} their stamps (masks at "
            f"{masks.arrival_rate:.1f} Hz, depth images at {depths.arrival_rate:.1f} Hz): have the camera stamp both "
            "with the same clock, and publish depth at the rate of its colour images"
        )

    def _overload(self, masks: FrameReport) -> Iterator[tuple[str, Finding]]:
        count = masks.recent_dropped.get("replaced_by_newer", 0)
        if not is_frequent(count, masks) or not masks.output_rate:
            return
        busy = oversubscription()
        yield (
            "overload",
            Finding(
                WARN,
                f"overload: masks arrive at {masks.arrival_rate:.1f} Hz, the node projects at {masks.output_rate:.1f} "
                f"Hz: {f'{busy}: stop other processes, or ' if busy else ''}lower the camera's rate or resolution",
            ),
        )

    def _values(self, masks: FrameReport, depths: FrameReport) -> dict[str, object]:
        values: dict[str, object] = {
            "frame_rate_mask": f"{masks.arrival_rate:.2f}",
            "frame_rate_depth": f"{depths.arrival_rate:.2f}",
            "frame_rate_output": f"{masks.output_rate:.2f}",
            "pairing_tolerance_ms": f"{self._pairing.tolerance_ns / 1e6:.1f}",
            "total_received_masks": masks.received,
            "total_received_depth_images": depths.received,
            "total_projected_masks": masks.segmented,
            "total_dropped_masks": sum(masks.dropped.values()),
            **{f"dropped.{reason}": count for reason, count in sorted(masks.dropped.items())},
            "total_unpaired_depth_images": sum(depths.dropped.values()),
            **{f"unpaired.{DEPTH}.{reason}": count for reason, count in sorted(depths.dropped.items())},
            **{f"unpaired.{name}": count for name, count in sorted(masks.noted.items())},
            **{f"published.{topic}": count for topic, count in sorted(masks.published.items())},
        }
        if masks.delay_ms is not None:
            values["current_delay_from_realtime_ms"] = f"{masks.delay_ms:.1f}"
        if total := masks.latency_ms.get("total"):
            values |= {f"total_ms_p{rank}": f"{ms:.1f}" for rank, ms in zip((50, 95, 99), total, strict=True)}
        return values

    def _log(self, problems: set[str], finding: Finding) -> None:
        if problems == self._logged:
            return
        self._logged = problems
        log = self._node.get_logger()
        if problems:
            log.warning(finding.text)
        else:
            log.info(f"recovered: {finding.text}")


def is_frequent(count: int, masks: FrameReport) -> bool:
    """Return whether so many of the masks are worth a report; the first result is often incomplete."""
    return count >= 2 and count >= MIN_REPLACED_FRACTION * masks.recent_received
