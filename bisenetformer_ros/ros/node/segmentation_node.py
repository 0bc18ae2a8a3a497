"""The lifecycle node: camera topics in, segmentation topics out."""

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from bisenetformer_ros.errors import BiSeNetFormerError, EngineError
from bisenetformer_ros.images.compressed import JpegDecoder
from bisenetformer_ros.inference.gpu_jpeg import open_nvjpeg
from bisenetformer_ros.inference.graph.cache import choose_cache_folder
from bisenetformer_ros.resources import find_model
from bisenetformer_ros.ros.health.diagnostics import Diagnostics, NodeState
from bisenetformer_ros.ros.node.camera import Camera
from bisenetformer_ros.ros.node.engine_switcher import EngineSwitcher
from bisenetformer_ros.ros.node.outputs import LabelPublishers
from bisenetformer_ros.ros.node.parameters import Parameters
from bisenetformer_ros.ros.node.pipeline import FramePipeline
from bisenetformer_ros.ros.node.process import GuardedNode, run_node
from bisenetformer_ros.ros.shared_memory import use_large_shared_memory
from bisenetformer_ros.ros.transports import TRANSPORTS
from bisenetformer_ros.segmenter import Segmenter

DEFAULT_NAME = "bisenetformer"
GRAPH_PERIOD_S = 0.25
"""Period of checking who subscribes to the outputs, and who publishes the images. Humble reports no changes of them."""
SWITCH_PERIOD_S = 0.5
"""Period of advancing the switch to a faster engine."""
WARM_UP_SIZE = (480, 640)
"""(height, width) of the warm-up image of engines without a fixed input size. Those that tune per shape are warmed up
for the cameras' sizes, too, as soon as these are known."""


class SegmentationNode(GuardedNode, LifecycleNode):
    """Lifecycle: configure loads and warms up the model, activate subscribes, deactivate unsubscribes, cleanup unloads.

    A failed transition leaves the state unchanged, is logged and reported in /diagnostics, and may be retried. All
    callbacks run in one executor thread and need no locks; inference runs in the pipeline's thread.
    """

    def __init__(self, open_segmenter: Callable[..., Segmenter] = Segmenter) -> None:
        """Declare the parameters and start the timers.

        Args:
            open_segmenter: Called with the arguments of Segmenter.

        Raises:
            ConfigError: Invalid QoS override.
            ParameterException: Invalid initial parameter.
        """
        super().__init__(DEFAULT_NAME)
        self._open_segmenter = open_segmenter
        self._segmenter: Segmenter | None = None
        self._switcher: EngineSwitcher | None = None
        self._label_publishers: LabelPublishers | None = None
        self._pipeline: FramePipeline | None = None
        self._active_since: float | None = None
        self._cameras: list[Camera] = []
        self._lifecycle = "unconfigured"
        self._fault = ""
        self._decode_jpeg: JpegDecoder | None = None
        self._jpeg_problem = ""
        self._settings = Parameters(self, is_configured=lambda: self._segmenter is not None)
        self._cameras = self._make_cameras()
        self._diagnostics = Diagnostics(self)
        self.create_service(SetBool, "~/enable", self._on_enable)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # a paused simulation would stop timers of the ROS clock
        period = self._settings["diagnostic_updater.period"]
        self.create_timer(period, self._publish_diagnostics, clock=steady)
        self.create_timer(GRAPH_PERIOD_S, self._update_subscriptions, clock=steady)
        self.create_timer(SWITCH_PERIOD_S, self._update_switcher, clock=steady)
        self._autostart_timer = self.create_timer(0.0, self._autostart, clock=steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("configure", self._load, "inactive")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("activate", self._start, "active")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("deactivate", self._stop, "inactive")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("clean up", self._unload, "unconfigured")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._attempt("shut down", self.close, "finalized")

    def close(self) -> None:
        try:
            self._stop()
        finally:
            self._unload()

    def _attempt(self, name: str, action: Callable[[], None], goal: str) -> TransitionCallbackReturn:
        """Turn an exception, which rclpy would swallow, into a logged fault and a failed transition."""
        try:
            action()
        except BiSeNetFormerError as error:
            self._fault = f"could not {name}: {error}"
            self.get_logger().error(self._fault)
        except Exception as error:
            if self.context.ok():  # else Ctrl-C has shut down ROS
                self._fault = f"could not {name}: {type(error).__name__}: {error}"
                self.get_logger().error(f"{self._fault}\n{traceback.format_exc()}")
        else:
            self._fault, self._lifecycle = "", goal
            return TransitionCallbackReturn.SUCCESS
        return TransitionCallbackReturn.FAILURE

    def _load(self) -> None:
        settings = self._settings
        choose_cache_folder(settings["cache_dir"])
        # PyTorch starts at once; a faster engine is opened, and if wanted built, in the background.
        upgradable = settings["engine"] == "auto" and Path(settings["model"]).suffix.lower() not in (".onnx", ".engine")
        segmenter = self._open_segmenter(
            settings["model"],
            engine="torch" if upgradable else settings["engine"],
            task=settings["task"],
            device=settings["device"],
            precision="auto" if upgradable and settings["precision"] == "int8" else settings["precision"],
        )
        begin = time.monotonic()
        segmenter.warm_up(WARM_UP_SIZE)
        warm_up_s = time.monotonic() - begin
        self._cameras = self._make_cameras()
        self._label_publishers = LabelPublishers(self, segmenter.labels)
        for camera in self._cameras:
            camera.open_outputs(segmenter.task)
        self._open_jpeg_decoder(segmenter.engine.device)
        self._segmenter = segmenter
        engine = segmenter.engine
        self.get_logger().info(
            f"loaded {engine.metadata.name} ({segmenter.task}, {len(segmenter.labels)} classes) "
            f"with {engine.name} on {engine.device}, {engine.precision}; warmed up in {warm_up_s:.1f} s"
        )
        if segmenter.task_warning:
            self.get_logger().warning(segmenter.task_warning)
        if upgradable:
            weights = find_model(settings["model"])
            may_build = partial(settings.__getitem__, "build_engine")
            self._switcher = EngineSwitcher(
                segmenter, weights, settings["precision"], len(self._cameras), may_build, self.get_logger()
            )

    def _open_jpeg_decoder(self, device: str) -> None:
        self._decode_jpeg, self._jpeg_problem = None, ""
        if self._settings["jpeg_decoder"] == "opencv" or self._settings["image_transport"] == "raw":
            return
        try:
            self._decode_jpeg = open_nvjpeg(device, warn=self._report_jpeg_problem)
        except EngineError as error:
            self._report_jpeg_problem(str(error))

    def _report_jpeg_problem(self, reason: str) -> None:
        """Also called in the pipeline's thread."""
        self._jpeg_problem = f"OpenCV decodes JPEGs instead of nvjpeg: {reason}"
        self.get_logger().warning(self._jpeg_problem)

    def _make_cameras(self) -> list[Camera]:
        """The cameras of the current parameters; unchanged ones are kept with their statistics."""
        transport = TRANSPORTS[self._settings["image_transport"]]
        present = {camera.name: camera for camera in self._cameras if camera.input.transport is transport}
        names = self._settings["cameras"] or [""]
        return [present.get(name) or Camera(self, name, self._settings, self._on_image) for name in names]

    def _start(self) -> None:
        assert self._segmenter is not None
        on_frame = self._switcher.offer if self._switcher is not None else None
        self._pipeline = FramePipeline(self, self._segmenter, self._settings, self._decode_jpeg, on_frame)
        self._update_subscriptions()
        self._active_since = time.monotonic()
        topics = ", ".join(camera.input.topic for camera in self._cameras)
        self.get_logger().info(f"active; subscribed to {topics} while an output has a subscriber")

    def _stop(self) -> None:
        for camera in self._cameras:
            camera.unsubscribe()
        if self._pipeline is not None:
            self._pipeline.stop()
        self._pipeline = self._active_since = None

    def _unload(self) -> None:
        for camera in self._cameras:
            camera.close_outputs()
        if self._label_publishers is not None:
            self._label_publishers.close()
        if self._switcher is not None:
            self._switcher.close()
        self._label_publishers = self._segmenter = self._switcher = None

    def _autostart(self) -> None:
        """Runs once, as the first callback of the executor."""
        self.destroy_timer(self._autostart_timer)
        if self._settings["autostart"] and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _on_image(self, camera: Camera, message: Image | CompressedImage) -> None:
        if self._pipeline is not None:  # an image may arrive while the subscription is closed
            self._pipeline.on_image(camera, message)

    def _update_subscriptions(self) -> None:
        if self._pipeline is not None:
            for camera in self._cameras:
                camera.update(self._pipeline.needs_image(camera))

    def _update_switcher(self) -> None:
        if self._switcher is not None:
            self._switcher.update()

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        result = self.set_parameters([Parameter("enable", value=request.data)])[0]
        response.success = result.successful
        response.message = result.reason or ("enabled" if request.data else "disabled")
        return response

    def _publish_diagnostics(self) -> None:
        self._diagnostics.publish(
            NodeState(
                lifecycle=self._lifecycle,
                fault=self._fault,
                segmenter=self._segmenter,
                missing_upgrade=self._switcher.problem if self._switcher is not None else "",
                jpeg_problem=self._jpeg_problem,
                active_since=self._active_since,
                enabled=self._settings["enable"],
                cameras=[camera.state() for camera in self._cameras],
            )
        )


def main(argv: Sequence[str] | None = None, open_segmenter: Callable[..., Segmenter] = Segmenter) -> int:
    """Run the node until it is interrupted; see `run_node` and `SegmentationNode`."""
    use_large_shared_memory()
    return run_node(lambda: SegmentationNode(open_segmenter), "segmentation_node", argv)


if __name__ == "__main__":
    sys.exit(main())
