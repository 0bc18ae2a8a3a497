"""The node that gives depth to the results of the segmentation node: point cloud, 3D boxes, markers."""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import CameraInfo, Image

from bisenetformer_ros.errors import EngineError
from bisenetformer_ros.geometry.pinhole import Pinhole, fit_depth
from bisenetformer_ros.images.raw import BadFrameError, decode_depth, decode_values
from bisenetformer_ros.ros.health.statistics import FrameLatency, FrameStatistics
from bisenetformer_ros.ros.node.latest_frames import LatestFramesWorker
from bisenetformer_ros.ros.node.parameters import Parameters
from bisenetformer_ros.ros.node.process import GuardedNode, run_node
from bisenetformer_ros.ros.projection.diagnostics import ProjectionDiagnostics
from bisenetformer_ros.ros.projection.inputs import ProjectionInputs
from bisenetformer_ros.ros.projection.outputs import ProjectedFrame, ProjectionPublishers
from bisenetformer_ros.ros.projection.pairing import DEPTH, MASK, Pair, StampPairing
from bisenetformer_ros.ros.shared_memory import use_large_shared_memory

DEFAULT_NAME = "bisenetformer_projection"
GRAPH_PERIOD_S = 0.5
"""Period of checking the subscribers of the outputs and the publishers of the inputs."""
STOP_WITHIN_S = 4.0


@dataclass(frozen=True)
class PendingPair:
    """A pair that waits to be projected."""

    pair: Pair
    camera_info: CameraInfo | None
    palette: np.ndarray  # (256, 3) uint8
    arrival: float  # time.monotonic() when it was complete


class ProjectionNode(GuardedNode):
    """Pairs masks with depth images in the executor's thread; projects and publishes in a worker thread.

    The worker always takes the newest pair. Without subscribers, the node subscribes to nothing but the label map.
    """

    def __init__(self) -> None:
        """Declare the parameters and start the timers.

        Raises:
            ConfigError: Invalid QoS override.
            ParameterException: Invalid initial parameter.
        """
        super().__init__(DEFAULT_NAME)
        name = "diagnostic_updater.period"
        period = Parameters(self, is_configured=lambda: False, names=[name])[name]
        self._statistics = {topic: FrameStatistics() for topic in (MASK, DEPTH)}
        self._inputs = ProjectionInputs(self, self._on_message)
        self._outputs = ProjectionPublishers(self)
        self._pairing = StampPairing(self._on_unpaired)
        self._diagnostics = ProjectionDiagnostics(self, self._inputs, self._pairing, self._statistics)
        self._worker = LatestFramesWorker(self._process, name="projection")
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(GRAPH_PERIOD_S, self._watch_graph, clock=steady)
        self.create_timer(period, self._diagnostics.publish, clock=steady)

    def close(self) -> None:
        self._inputs.close()
        try:
            self._worker.stop(STOP_WITHIN_S)
        except TimeoutError:
            raise EngineError(f"the middleware has not taken a cloud for {STOP_WITHIN_S:g} s") from None

    def _watch_graph(self) -> None:
        if self._outputs.have_subscribers():
            self._inputs.update()
            self._diagnostics.active_since = self._diagnostics.active_since or time.monotonic()
        elif self._diagnostics.active_since is not None:
            self._inputs.close()
            self._pairing.clear("no_subscribers")
            self._diagnostics.active_since = None

    def _on_message(self, topic: str, message: Any) -> None:
        stamp = message.header.stamp
        stamp_ns = stamp.sec * 10**9 + stamp.nanosec
        if topic in self._statistics:
            self._statistics[topic].frame_received(stamp_ns * 1e-9, len(message.data))
        pair = self._pairing.add(topic, stamp_ns, message, self._inputs.needed())
        if pair is not None:
            pending = PendingPair(pair, self._inputs.camera_info, self._inputs.palette, time.monotonic())
            if self._worker.put(None, pending):
                self._drop("replaced_by_newer")

    def _on_unpaired(self, topic: str, reason: str) -> None:
        if topic in self._statistics:
            self._statistics[topic].frame_dropped(reason)
        else:
            self._statistics[MASK].note(f"{topic}.{reason}")

    def _process(self, pending: Sequence[PendingPair]) -> None:
        """One round of the worker, which must not raise."""
        for one in pending:
            try:
                self._project(one)
            except BadFrameError as error:
                self._drop(f"bad_input.{error.kind}", str(error))
            except Exception as error:
                if self.context.ok():  # otherwise the shutdown interrupted it
                    self._drop(f"failed.{type(error).__name__}", str(error))
                    self.get_logger().error(traceback.format_exc(), throttle_duration_sec=10.0)

    def _project(self, pending: PendingPair) -> None:
        if pending.camera_info is None:
            self._drop("no_camera_info")
            return
        start = time.monotonic()
        frame = read_pair(pending.pair, pending.camera_info, pending.palette)
        decoded = time.monotonic()
        published = self._outputs.publish(frame)
        end = time.monotonic()
        self._diagnostics.frame_ids = frame.header.frame_id, pending.pair.depth.header.frame_id
        stamp = frame.header.stamp
        delay_ms = (self.get_clock().now().nanoseconds - stamp.sec * 10**9 - stamp.nanosec) * 1e-6
        latency = FrameLatency(
            transport=delay_ms - (end - pending.arrival) * 1e3,
            decode=(decoded - start) * 1e3,
            preprocess=0.0,
            inference=0.0,
            postprocess=0.0,
            publish=(end - decoded) * 1e3,
            total=(end - pending.arrival) * 1e3,
        )
        self._statistics[MASK].frame_segmented(latency, delay_ms, published)

    def _drop(self, reason: str, detail: str = "") -> None:
        self._statistics[MASK].frame_dropped(reason, detail)


def read_pair(pair: Pair, camera_info: CameraInfo, palette: np.ndarray) -> ProjectedFrame:
    """Decode the images of a pair, and bring the depth image to the size of the mask.

    Args:
        pair: A mask, and with the panoptic task `panoptic` and `segments`.
        camera_info: Calibration of the depth image.
        palette: (256, 3) uint8 RGB by class id.

    Raises:
        BadFrameError: An image cannot be used, or its size does not fit.
    """
    mask = pair.parts[MASK]
    labels = _decode("mask", decode_values, mask)
    if labels.dtype != np.uint8:
        raise BadFrameError("mask_encoding", f"the mask has encoding {mask.encoding}, expected mono8: remap to ~/mask")
    instances = None
    if "panoptic" in pair.parts:
        instances = _decode("panoptic", decode_values, pair.parts["panoptic"])
        if instances.dtype != np.uint16 or instances.shape != labels.shape:
            raise BadFrameError(
                "panoptic_image",
                f"the panoptic image is {instances.shape[1]}x{instances.shape[0]} {instances.dtype}, expected "
                f"{mask.width}x{mask.height} uint16: remap mask, panoptic and segments to one segmentation node",
            )
    depth = _decode("depth", decode_depth, pair.depth)
    camera = Pinhole.from_camera_info(camera_info, depth.shape)
    depth, camera = fit_depth(depth, camera, labels.shape)
    segments = pair.parts["segments"].segments if "segments" in pair.parts else ()
    return ProjectedFrame(mask.header, depth, camera.rays(labels.shape), labels, instances, segments, palette)


def _decode(what: str, decode: Callable[[Image], np.ndarray], message: Image) -> np.ndarray:
    """Decode an image; an error names which one."""
    try:
        return decode(message)
    except BadFrameError as error:
        raise BadFrameError(f"{what}_{error.kind}", f"{what} image: {error}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the node until it is interrupted; see `run_node`."""
    use_large_shared_memory()
    return run_node(ProjectionNode, "projection_node", argv)


if __name__ == "__main__":
    sys.exit(main())
