"""The lifecycle node: camera topics in, segmentation topics out."""

import atexit
import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.resources import config_file
from bisenetformer_ros.ros.health.diagnostics import Diagnostics, NodeState
from bisenetformer_ros.ros.node.camera import Camera
from bisenetformer_ros.ros.node.engine_upgrades import EngineUpgrades
from bisenetformer_ros.ros.node.input import TRANSPORTS
from bisenetformer_ros.ros.node.outputs import LabelOutputs
from bisenetformer_ros.ros.node.parameters import Parameters
from bisenetformer_ros.ros.node.pipeline import FramePipeline
from bisenetformer_ros.ros.shared_memory import make_room_for_images
from bisenetformer_ros.segmenter import Segmenter

DEFAULT_NAME = "bisenetformer"
GRAPH_PERIOD_S = 0.5
"""How often the publishers of the image topics are looked at."""
UPGRADE_PERIOD_S = 0.5
"""How often a faster engine is looked after, where one is on its way."""
EXIT_WITHIN_S = 10
"""So long the middleware may take to close; then the kernel ends the process. Fast DDS 3.2 has been seen to wait for
ever for a TCP connection (LARGE_DATA) whose other end was killed."""
WARM_UP_SIZE = (480, 640)
"""(height, width) of the picture that an engine without a fixed input is warmed up with."""


class SegmentationNode(LifecycleNode):
    """configure loads and warms up, activate subscribes, deactivate stops and keeps the model, cleanup unloads.

    A transition that fails leaves the node where it was, logs why and says so in /diagnostics; it may be tried again.
    All callbacks run in one executor thread, so that they need no locks; inference runs in the pipeline's own.
    """

    def __init__(self, open_segmenter: Callable[..., Segmenter] = Segmenter) -> None:
        """open_segmenter: called with the arguments of Segmenter.

        Raises ConfigError or rclpy's ParameterException for wrong initial parameters.
        """
        super().__init__(DEFAULT_NAME)
        self._open_segmenter = open_segmenter
        self._segmenter: Segmenter | None = None
        self._upgrades: EngineUpgrades | None = None
        self._label_outputs: LabelOutputs | None = None
        self._pipeline: FramePipeline | None = None
        self._active_since: float | None = None
        self._cameras: list[Camera] = []
        self._lifecycle = "unconfigured"
        self._fault = ""
        self._settings = Parameters(self, is_configured=lambda: self._segmenter is not None)
        self._cameras = self._make_cameras()
        self._diagnostics = Diagnostics(self)
        self.create_service(SetBool, "~/enable", self._on_enable)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # with simulated time a paused clock would stop the timers
        period = self._settings["diagnostic_updater.period"]
        self.create_timer(period, self._publish_diagnostics, clock=steady)
        self.create_timer(GRAPH_PERIOD_S, self._watch_publishers, clock=steady)
        self.create_timer(UPGRADE_PERIOD_S, self._update_upgrades, clock=steady)
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
        """Stops and unloads, whatever the state."""
        self._stop()
        self._unload()

    def _attempt(self, name: str, action: Callable[[], None], goal: str) -> TransitionCallbackReturn:
        """rclpy swallows what a transition raises; here it becomes a logged fault, and the state stays."""
        try:
            action()
        except BiSeNetFormerError as error:
            self._fault = f"could not {name}: {error}"
            self.get_logger().error(self._fault)
        except Exception as error:
            if self.context.ok():  # else it is Ctrl-C that took ROS away, and nothing is wrong
                self._fault = f"could not {name}: {type(error).__name__}: {error}"
                self.get_logger().error(f"{self._fault}\n{traceback.format_exc()}")
        else:
            self._fault, self._lifecycle = "", goal
            return TransitionCallbackReturn.SUCCESS
        return TransitionCallbackReturn.FAILURE

    def _load(self) -> None:
        settings = self._settings
        # PyTorch serves at once; what is faster is opened beside its work, and made if that is wanted.
        upgradable = settings["engine"] == "auto" and Path(settings["model"]).suffix not in (".onnx", ".engine")
        segmenter = self._open_segmenter(
            settings["model"],
            engine="torch" if upgradable else settings["engine"],
            task=settings["task"],
            device=settings["device"],
            precision=settings["precision"],
        )
        segmenter.warm_up(WARM_UP_SIZE)
        self._cameras = self._make_cameras()
        self._label_outputs = LabelOutputs(self, segmenter.labels)
        for camera in self._cameras:
            camera.open_outputs(segmenter.task)
        self._segmenter = segmenter
        engine = segmenter.engine
        self.get_logger().info(
            f"loaded {engine.metadata.name} ({segmenter.task}, {len(segmenter.labels)} classes) "
            f"with {engine.name} on {engine.device}, {engine.precision}"
        )
        if upgradable:
            weights = config_file("models", settings["model"], ".safetensors")
            may_build = partial(settings.__getitem__, "build_engine")
            log = self.get_logger().info
            self._upgrades = EngineUpgrades(segmenter, weights, settings["precision"], may_build, log)

    def _make_cameras(self) -> list[Camera]:
        """As the parameters have it now; what has not changed since the last time stays, with its counts."""
        transport = TRANSPORTS[self._settings["image_transport"]]
        present = {camera.name: camera for camera in self._cameras if camera.input.transport is transport}
        names = self._settings["cameras"] or [""]
        return [present.get(name) or Camera(self, name, self._settings, self._on_image) for name in names]

    def _start(self) -> None:
        self._pipeline = FramePipeline(self, self._segmenter, self._settings)
        for camera in self._cameras:
            camera.listen()
        self._active_since = time.monotonic()
        self.get_logger().info(f"listening on {', '.join(camera.input.topic for camera in self._cameras)}")

    def _stop(self) -> None:
        for camera in self._cameras:
            camera.stop_listening()
        if self._pipeline is not None:
            self._pipeline.stop()
        self._pipeline = self._active_since = None

    def _unload(self) -> None:
        for camera in self._cameras:
            camera.close_outputs()
        if self._label_outputs is not None:
            self._label_outputs.close()
        if self._upgrades is not None:
            self._upgrades.close()
        self._label_outputs = self._segmenter = self._upgrades = None

    def _autostart(self) -> None:
        """Runs once, as the first thing that the executor does."""
        self.destroy_timer(self._autostart_timer)
        if self._settings["autostart"] and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _on_image(self, camera: Camera, message: Image | CompressedImage) -> None:
        if self._pipeline is not None:  # an image may be under way while the subscription goes
            self._pipeline.on_image(camera, message)

    def _watch_publishers(self) -> None:
        if self._pipeline is not None:
            for camera in self._cameras:
                camera.input.update()

    def _update_upgrades(self) -> None:
        if self._upgrades is not None:
            self._upgrades.update()

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
                missing_upgrade=self._upgrades.problem if self._upgrades is not None else "",
                active_since=self._active_since,
                enabled=self._settings["enable"],
            ),
            self._cameras,
        )


def _spin(node: Node) -> None:
    try:
        rclpy.spin(node)
    except Exception:
        if node.context.ok():  # else a callback was overtaken by the end, and its error says nothing
            raise


def main(argv: Sequence[str] | None = None, open_segmenter: Callable[..., Segmenter] = Segmenter) -> int:
    """Runs the node until it is interrupted. argv: with `--ros-args`, without the program's name; default sys.argv."""
    make_room_for_images()
    rclpy.init(args=None if argv is None else [DEFAULT_NAME, *argv])
    node = None
    try:
        # How rclpy ends a spin differs between distributions: Ctrl-C is either of the two.
        with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
            node = SegmentationNode(open_segmenter)
            _spin(node)
    except (BiSeNetFormerError, ParameterException) as error:
        print(f"segmentation_node: {error}", file=sys.stderr)
        return 2
    finally:
        if node is not None:
            node.close()
            signal.alarm(EXIT_WITHIN_S)
            node.destroy_node()
        rclpy.try_shutdown()
        signal.alarm(0)
    atexit.register(signal.alarm, EXIT_WITHIN_S)  # the middleware is closed for good when its objects are collected
    return 0


if __name__ == "__main__":
    sys.exit(main())
