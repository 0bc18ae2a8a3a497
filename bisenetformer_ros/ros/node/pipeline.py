"""From an image message to published results: decode, segment, publish, or drop for a named reason."""

import contextlib
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from bisenetformer_ros.errors import BiSeNetFormerError, EngineError, InferenceError
from bisenetformer_ros.images.compressed import JpegDecoder
from bisenetformer_ros.images.raw import BadFrameError, DecodingReport
from bisenetformer_ros.images.stamps import Order
from bisenetformer_ros.inference.engines.switching import measured_times
from bisenetformer_ros.inference.tracking import Tracker
from bisenetformer_ros.results import SegmentationResult
from bisenetformer_ros.ros.health.findings import assumption
from bisenetformer_ros.ros.health.statistics import FrameLatency
from bisenetformer_ros.ros.node.camera import Camera
from bisenetformer_ros.ros.node.latest_frames import LatestFramesWorker
from bisenetformer_ros.ros.node.outputs import SegmentedFrame
from bisenetformer_ros.ros.node.parameters import Parameters
from bisenetformer_ros.ros.node.process import GuardedNode
from bisenetformer_ros.segmenter import Segmenter

LOG_PERIOD_S = 10.0
"""Minimum time between two logs of the same reason and camera; /diagnostics has the counts."""
MAX_ENGINE_FAILURES = 10
"""Failures of the engine in a row that end the node. After an error such as an illegal address, CUDA fails every call
of the process. Ten rounds last less than a second with most cameras; a single failure may have a passing cause."""
STOP_WITHIN_S = 4.0
"""Limit for the frames in progress in each stage when the pipeline stops."""


@dataclass(frozen=True)
class PendingFrame:
    """A received image."""

    camera: Camera
    message: Image | CompressedImage
    arrival: float  # time.monotonic()
    transport_ms: float  # age on arrival, by its stamp


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded image."""

    frame: PendingFrame
    rgb: np.ndarray  # (H, W, 3) uint8
    decode_ms: float


@dataclass(frozen=True)
class FinishedFrame:
    """A segmented image that waits to be published."""

    decoded: DecodedFrame
    result: SegmentationResult

    @property
    def camera(self) -> Camera:
        """Where the image came from."""
        return self.decoded.frame.camera


class FramePipeline:
    """Segments the frames of all cameras in one worker thread and publishes them in another.

    `on_image` returns at once. While the pipeline runs, only the first thread uses the segmenter, and only the second
    publishes results. Each round of the first takes the newest frame of every camera; frames of the same size form a
    batch. While it segments, the second publishes what the round before has left. Where that takes longer, the newest
    result of a camera replaces the one that waits.
    """

    def __init__(
        self,
        node: GuardedNode,
        segmenter: Segmenter,
        parameters: Parameters,
        decode_jpeg: JpegDecoder | None = None,
        on_frame: Callable[[Camera, np.ndarray, float], None] | None = None,
    ) -> None:
        """Start the worker threads.

        Args:
            node, segmenter, parameters: Of the pipeline.
            decode_jpeg: See `decode_compressed`.
            on_frame: Called with each image that is segmented, (H, W, 3) uint8 RGB, and its stamp in seconds.
        """
        self._node = node
        self._segmenter = segmenter
        self._parameters = parameters
        self._decode_jpeg = decode_jpeg
        self._on_frame = on_frame
        self._formats: dict[Camera, tuple] = {}
        self._trackers: defaultdict[Camera, Tracker] = defaultdict(Tracker)  # of the publishing thread
        self._last_logged: dict[tuple[Camera, str], float] = {}
        self._logged_once: set[tuple[Camera, str]] = set()
        self._engine_failures = 0
        self._warm: set[tuple[tuple[int, ...], int]] = set()
        """Shapes for which the engine was warmed up: (height, width), number of frames."""
        self._publishing = LatestFramesWorker(self._publish, name="publishing")
        self._segmenting = LatestFramesWorker(self._process, name="segmentation")

    def on_image(self, camera: Camera, message: Image | CompressedImage) -> None:
        """Queue an image, or drop it if its stamp is unusable."""
        stamp = message.header.stamp
        is_valid = stamp.nanosec < 10**9
        stamp_s = stamp.sec + stamp.nanosec * 1e-9 if is_valid else None
        order = camera.statistics.frame_received(stamp_s, len(message.data))
        if order in (Order.WENT_BACK, Order.INVALID):
            wrong = "is before the previous one" if is_valid else "is invalid: nanosec is 10^9 or more"
            kind = "time_went_back" if is_valid else "invalid_stamp"
            self._drop(camera, f"bad_input.{kind}", f"stamp {stamp.sec}.{stamp.nanosec:09d} {wrong}")
            return
        if order is Order.LEAPT:
            camera.statistics.note("stamp_leaps")
        if self._segmenting.put(camera, PendingFrame(camera, message, time.monotonic(), self._age_ms(message))):
            camera.statistics.frame_dropped("replaced_by_newer")

    def needs_image(self, camera: Camera) -> bool:
        """Return whether the engine has to be warmed up for the size of the camera's images, which is still unknown."""
        return self._segmenter.engine.tunes_per_shape and camera not in self._formats

    def stop(self) -> None:
        """Finish the frames in progress and drop those that wait.

        Raises:
            EngineError: If a stage has not finished its frames within STOP_WITHIN_S.
        """
        engine = self._segmenter.engine.name
        stages: list[tuple[LatestFramesWorker[Any], str]] = [
            (self._segmenting, f"engine {engine} has not finished its frame"),
            (self._publishing, "the middleware has not taken a result"),
        ]
        for worker, problem in stages:
            try:
                waiting = worker.stop(STOP_WITHIN_S)
            except TimeoutError:
                raise EngineError(
                    f"{problem} for {STOP_WITHIN_S:g} s: try again, or restart the node if it hangs"
                ) from None
            for frame in waiting:
                frame.camera.statistics.frame_dropped("deactivated")

    def _process(self, frames: Sequence[PendingFrame]) -> None:
        """One round."""
        batches: dict[tuple[int, ...], list[DecodedFrame]] = defaultdict(list)
        for frame in frames:
            with self._dropping([frame]):
                if reason := self._reason_to_skip(frame):
                    if self.needs_image(frame.camera):
                        self._warm_up(self._decode(frame))
                    frame.camera.statistics.frame_dropped(*reason)
                else:
                    decoded = self._decode(frame)
                    if self._on_frame is not None:
                        stamp = frame.message.header.stamp
                        self._on_frame(frame.camera, decoded.rgb, stamp.sec + stamp.nanosec * 1e-9)
                    self._warm_up(decoded)
                    batches[decoded.rgb.shape].append(decoded)
        for batch in batches.values():
            self._segment(batch)

    def _reason_to_skip(self, frame: PendingFrame) -> tuple[str, str] | None:
        """Why a frame is not segmented: reason and detail."""
        if not self._parameters["enable"]:
            return "disabled", ""
        limit, age = self._parameters["max_age_ms"], self._age_ms(frame.message)
        if 0 < limit < age:
            return "too_old", f"{age:.0f} ms, max_age_ms is {limit:g}"
        if not frame.camera.has_subscribers():
            return "no_listener", ""
        return None

    def _decode(self, frame: PendingFrame) -> DecodedFrame:
        begin = time.monotonic()
        camera, message = frame.camera, frame.message
        encoding = message.encoding if isinstance(message, Image) else message.format
        previous = self._formats.get(camera)
        if previous is not None and previous[1] != encoding:
            camera.decoding = DecodingReport()
        decode = camera.input.transport.decode
        rgb = decode(message, self._parameters["bit_depth"], camera.decoding, self._decode_jpeg)
        decode_ms = 1e3 * (time.monotonic() - begin)
        self._formats[camera] = rgb.shape, encoding
        if previous is not None and self._formats[camera] != previous:
            camera.statistics.note("format_changes")
        for assumed in camera.decoding.assumed:
            self._warn(camera, assumed, f"{camera.input.topic}: {assumption(assumed)}", once=True)
        return DecodedFrame(frame, rgb, decode_ms)

    def _warm_up(self, decoded: DecodedFrame) -> None:
        """Warm up an engine that tunes per shape for the cameras of the frame's size, before anybody needs results."""
        size = decoded.rgb.shape[:2]
        number = sum(shape[:2] == size for shape, _ in self._formats.values())
        if not self._segmenter.engine.tunes_per_shape or (size, number) in self._warm:
            return
        begin = time.monotonic()
        for _ in range(2):  # see `Engine.tunes_per_shape`
            self._run_engine([decoded.rgb] * number)
        self._warm.add((size, number))
        batches = "frames" if number == 1 else f"batches of {number} frames"
        height, width = size
        times = measured_times(self._segmenter.engine)
        self._node.get_logger().info(
            f"warmed up for {batches} of {height}x{width} (height x width) in {time.monotonic() - begin:.1f} s"
            + (f"; measured: {times}" if times else "")
        )

    def _segment(self, batch: Sequence[DecodedFrame]) -> None:
        with self._dropping([decoded.frame for decoded in batch]):
            results = self._run_engine([decoded.rgb for decoded in batch])
            for decoded, result in zip(batch, results, strict=True):
                finished = FinishedFrame(decoded, result)
                if self._publishing.put(finished.camera, finished):
                    finished.camera.statistics.frame_dropped("replaced_by_newer_result")

    def _run_engine(self, images: Sequence[np.ndarray]) -> list[SegmentationResult]:
        """Segment a batch; end the node if the engine has failed MAX_ENGINE_FAILURES times in a row."""
        engine = self._segmenter.engine
        try:
            results = engine.segment(images, self._parameters["score_threshold"], self._parameters["overlap_threshold"])
        except Exception as error:
            if isinstance(error, InferenceError) or not isinstance(error, BiSeNetFormerError):  # else the input's fault
                self._engine_failures += 1
                if self._engine_failures == MAX_ENGINE_FAILURES:
                    what = f"{type(error).__name__}: {error}".partition("\n")[0]  # CUDA's go on with advice
                    self._node.fail(
                        f"engine {engine.name} on {engine.device} failed {MAX_ENGINE_FAILURES} times in a row, the "
                        f"last time with {what}. The node ends with exit code 1, as a GPU may fail until its process "
                        "ends: have it restarted (systemd: Restart=on-failure, ROS launch: respawn=True). If it fails "
                        "again, look at dmesg, or set the parameter engine or device"
                    )
            raise
        self._engine_failures = 0
        return results

    def _publish(self, finished: Sequence[FinishedFrame]) -> None:
        """One round of publishing."""
        for each in finished:
            with self._dropping([each.decoded.frame]):
                self._publish_frame(each.decoded, each.result)

    def _publish_frame(self, decoded: DecodedFrame, result: SegmentationResult) -> None:
        frame, camera = decoded.frame, decoded.frame.camera
        header, outputs, times_ms = frame.message.header, camera.outputs, result.times_ms
        assert outputs is not None
        assert times_ms is not None
        camera.check_calibration(decoded.rgb.shape[:2])
        begin = time.monotonic()
        segmented = SegmentedFrame(
            header,
            decoded.rgb,
            result,
            self._segmenter.labels,
            self._parameters["overlay_alpha"],
            camera.camera_info,
            self._tracker(camera),
        )
        published = outputs.publish(segmented)
        end = time.monotonic()
        latency = FrameLatency(
            transport=frame.transport_ms,
            decode=decoded.decode_ms,
            preprocess=times_ms.preprocess,
            inference=times_ms.inference,
            postprocess=times_ms.postprocess,
            publish=1e3 * (end - begin),
            total=1e3 * (end - frame.arrival),
        )
        outputs.publish_latency(header, asdict(latency), camera.statistics.total_dropped)
        camera.statistics.frame_segmented(latency, self._age_ms(frame.message), published)

    def _tracker(self, camera: Camera) -> Tracker | None:
        """The tracker of a camera with the current parameters; None without tracking."""
        if not self._parameters["tracking"]:
            return None
        tracker = self._trackers[camera]
        tracker.max_missing = self._parameters["max_missing"]
        return tracker

    def _age_ms(self, message: Image | CompressedImage) -> float:
        """Age by the stamp and the node's clock, which is simulated with use_sim_time."""
        stamp = message.header.stamp  # rclpy's Time rejects stamps that a broken camera may send
        return (self._node.get_clock().now().nanoseconds - stamp.sec * 10**9 - stamp.nanosec) * 1e-6

    @contextlib.contextmanager
    def _dropping(self, frames: Sequence[PendingFrame]) -> Iterator[None]:
        """Turn an error into dropped frames that are counted and logged, so that it does not end the worker."""
        try:
            yield
        except BadFrameError as error:
            for frame in frames:
                self._drop(frame.camera, f"bad_input.{error.kind}", str(error))
        except BiSeNetFormerError as error:  # such as a frame size that the graph was not exported for
            for frame in frames:
                self._drop(frame.camera, f"failed.{type(error).__name__}", str(error), once=True)
        except Exception as error:
            if self._node.context.ok():  # on Ctrl-C the publishers are destroyed before this thread ends
                for frame in frames:
                    self._drop(frame.camera, f"failed.{type(error).__name__}", str(error), traceback.format_exc())

    def _drop(self, camera: Camera, reason: str, detail: str, more: str = "", once: bool = False) -> None:
        """Count a faulty frame and log it, throttled; `more` is for the log alone."""
        camera.statistics.frame_dropped(reason, detail)
        text = f"dropped an image of {camera.input.topic} ({reason}): {detail}\n{more}"
        self._warn(camera, reason, text.rstrip(), once)

    def _warn(self, camera: Camera, subject: str, text: str, once: bool) -> None:
        """Log one text per subject and LOG_PERIOD_S; with `once`, the same text is not repeated at all."""
        now = time.monotonic()
        is_early = now - self._last_logged.get((camera, subject), -LOG_PERIOD_S) < LOG_PERIOD_S
        if is_early or (camera, text) in self._logged_once:
            return
        self._last_logged[camera, subject] = now
        if once:
            self._logged_once.add((camera, text))
        self._node.get_logger().warning(text)
