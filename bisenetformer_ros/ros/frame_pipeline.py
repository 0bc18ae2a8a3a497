"""One frame's way through the node: arrival, slot, decode, segment, publish; and the reason if it ends before that."""

import time
import traceback
from dataclasses import dataclass

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from bisenetformer_ros.image_decoder import BadFrameError, decode_image
from bisenetformer_ros.ros.frame_statistics import FrameLatency, FrameStatistics
from bisenetformer_ros.ros.latest_frame import LatestFrameWorker
from bisenetformer_ros.ros.outputs import Outputs, SegmentedFrame
from bisenetformer_ros.ros.parameters import Parameters
from bisenetformer_ros.segmenter import Segmenter

LOG_PERIOD_S = 10.0
"""A reason for dropping frames is logged at most this often; /diagnostics has the counts."""


@dataclass(frozen=True)
class Frame:
    """An image on its way. arrival: time.monotonic(). transport_ms: age by its stamp at that moment."""

    message: Image
    arrival: float
    transport_ms: float


class FramePipeline:
    """`on_image` and `on_camera_info` are the executor's and return at once; the worker's thread does the rest.

    That thread alone uses the segmenter and publishes frames while the pipeline runs.
    """

    def __init__(
        self,
        node: Node,
        segmenter: Segmenter,
        outputs: Outputs,
        statistics: FrameStatistics,
        parameters: Parameters,
    ) -> None:
        """Starts the worker's thread."""
        self._node = node
        self._segmenter = segmenter
        self._outputs = outputs
        self._statistics = statistics
        self._parameters = parameters
        self._camera_info: CameraInfo | None = None
        self._last_logged: dict[str, float] = {}
        self._worker = LatestFrameWorker(self._process, name="segmentation")

    def on_camera_info(self, message: CameraInfo) -> None:
        self._camera_info = message

    def on_image(self, message: Image) -> None:
        stamp = message.header.stamp
        if self._statistics.frame_received(stamp.sec + stamp.nanosec * 1e-9):
            detail = f"stamp {stamp.sec}.{stamp.nanosec:09d} lies before the previous one"
            self._drop("bad_input.time_went_back", detail)
            return
        if self._worker.put(Frame(message, time.monotonic(), self._age_ms(message))):
            self._statistics.frame_dropped("replaced_by_newer")

    def stop(self) -> None:
        """Returns when the frame in work is done; the next one, if it waits already, is dropped."""
        if self._worker.stop():
            self._statistics.frame_dropped("deactivated")

    def _process(self, frame: Frame) -> None:
        try:
            refusal = self._refuse(frame)
            if refusal:
                self._statistics.frame_dropped(*refusal)
            else:
                self._segment(frame)
        except BadFrameError as error:
            self._drop(f"bad_input.{error.kind}", str(error))
        except Exception as error:  # one frame must not end the node; what failed is counted, logged and in diagnostics
            if self._node.context.ok():  # on Ctrl-C the publishers are gone before this thread is
                self._drop(f"failed.{type(error).__name__}", str(error), traceback.format_exc())

    def _refuse(self, frame: Frame) -> tuple[str, str] | None:
        """The reason and detail if this frame is not to be segmented now."""
        if not self._parameters["enable"]:
            return "disabled", ""
        limit, age = self._parameters["max_age_ms"], self._age_ms(frame.message)
        if 0 < limit < age:
            return "too_old", f"{age:.0f} ms, max_age_ms is {limit:g}"
        if not self._outputs.have_listeners():
            return "no_listener", ""
        return None

    def _segment(self, frame: Frame) -> None:
        header = frame.message.header
        begin = time.monotonic()
        rgb = decode_image(frame.message)
        decoded = time.monotonic()
        self._segmenter.score_threshold = self._parameters["score_threshold"]
        self._segmenter.overlap_threshold = self._parameters["overlap_threshold"]
        result = self._segmenter(rgb)
        segmented = time.monotonic()
        alpha = self._parameters["overlay_alpha"]
        self._outputs.publish(SegmentedFrame(header, rgb, result, self._segmenter.labels, alpha, self._camera_info))
        published = time.monotonic()
        latency = FrameLatency(
            transport=frame.transport_ms,
            decode=1e3 * (decoded - begin),
            preprocess=result.times_ms.preprocess,
            inference=result.times_ms.inference,
            postprocess=result.times_ms.postprocess,
            publish=1e3 * (published - segmented),
            total=1e3 * (published - frame.arrival),
        )
        self._statistics.frame_segmented(latency, delay_ms=self._age_ms(frame.message))
        self._outputs.publish_latency(header, latency, self._statistics.total_dropped)

    def _age_ms(self, message: Image) -> float:
        """By the stamp and the node's clock, which is the simulation's with use_sim_time."""
        stamp = message.header.stamp  # not a rclpy Time, which refuses what a broken camera may send
        return (self._node.get_clock().now().nanoseconds - stamp.sec * 10**9 - stamp.nanosec) * 1e-6

    def _drop(self, reason: str, detail: str, more: str = "") -> None:
        """Counts a frame that something is wrong with, and logs it now and then. more: for the log alone."""
        self._statistics.frame_dropped(reason, detail)
        now = time.monotonic()
        if now - self._last_logged.get(reason, -LOG_PERIOD_S) >= LOG_PERIOD_S:
            self._last_logged[reason] = now
            self._node.get_logger().warning(f"image dropped ({reason}): {detail}\n{more}".rstrip())
