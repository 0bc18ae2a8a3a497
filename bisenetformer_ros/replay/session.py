"""A replay: camera, node and listener run as processes until every frame is accounted for."""

import contextlib
import json
import queue
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bisenetformer_ros.errors import ConfigError, InputError
from bisenetformer_ros.replay.processes import Processes, private_environment
from bisenetformer_ros.replay.recording import INPUT_TOPIC, Recording, ReplayError

START_WITHIN_S = 120.0
"""Timeout from the start of the processes to the first frame: loading PyTorch and the model on a slow machine."""
RESULT_WITHIN_S = 30.0
"""Timeout from a frame to the next result."""
SETTLE_WITHIN_S = 10.0
"""Timeout from the last frame to the last result."""
POLL_S = 0.2
DIAGNOSTICS_PERIOD_S = 0.5
LISTENERS = 2
"""Subscribers that the camera waits for: the node and the listener."""
ERROR = 2
"""diagnostic_msgs/DiagnosticStatus.ERROR"""


@dataclass(frozen=True)
class Player:
    """The process that plays the camera.

    Attributes:
        module: Module that prints the events of `ros.replay.camera_player`.
        arguments: Its command line.
    """

    module: str
    arguments: Sequence[str]


class ReplaySession:
    """A replay of frames through the node; `recording` grows while it runs."""

    def __init__(
        self, player: Player, node_parameters: Mapping[str, Any], directory: Path, log_directory: Path
    ) -> None:
        """Prepare the processes.

        Args:
            player: The camera.
            node_parameters: Parameters of the node.
            directory: Existing folder for the images of the recording.
            log_directory: Existing folder for the logs.

        Raises:
            ConfigError: ROS 2 is not available.
        """
        if find_spec("rclpy") is None or find_spec("bisenetformer_ros.msg") is None:
            raise ConfigError(
                "ROS 2 or this package's messages are missing: source a ROS 2 installation and the workspace, or "
                "tools/env.sh in a checkout after `make setup`"
            )
        self.recording = Recording(directory)
        self._player = player
        self._node_parameters = node_parameters
        self.environment = private_environment(log_directory)
        self._processes = Processes(log_directory, self.environment)

    def run(self, on_news: Callable[[Recording], None]) -> Recording:
        """Run until every frame is accounted for. No process is left on return or after an exception.

        Args:
            on_news: Called with the recording several times per second.

        Raises:
            InputError: The source cannot be played.
            ReplayError: A process ended early, or results stopped arriving.
        """
        recording = self.recording
        with self._processes:
            self._start_camera()
            self._wait(lambda: bool(recording.opened), START_WITHIN_S, "the camera did not open its source", on_news)
            self._start_listener()
            self._start_node()
            self._wait(lambda: bool(recording.sent), START_WITHIN_S, "the camera sent no frame", on_news)
            self._wait(lambda: recording.finished, RESULT_WITHIN_S, "no results arrived", on_news)
            self._settle(on_news)
            self._processes.stop("listener")  # flushes what it has received
            self._drain(0)
            if not recording.complete():
                raise ReplayError(f"the camera has sent all frames and no result arrived; {self._explanation()}")
        return recording

    def _start_camera(self) -> None:
        arguments = [*self._player.arguments, "--subscribers", str(LISTENERS)]
        self._processes.start("camera", self._player.module, arguments)

    def _start_listener(self) -> None:
        arguments = [str(self.recording.directory), "--image-topic", INPUT_TOPIC]
        self._processes.start("listener", "bisenetformer_ros.ros.replay.listener", arguments)

    def _start_node(self) -> None:
        """Pass parameters in a file: on the command line, a model named `12` would be parsed as a number."""
        parameters = {**self._node_parameters, "diagnostic_updater.period": DIAGNOSTICS_PERIOD_S}
        file = self.recording.directory / "parameters.yaml"
        file.write_text(json.dumps({"/**": {"ros__parameters": parameters}}), encoding="utf-8")  # JSON is YAML
        arguments = ["node", "--ros-args", "--params-file", str(file), "-r", f"image_raw:={INPUT_TOPIC}"]
        self._processes.start("node", "bisenetformer_ros.cli", arguments)

    def _wait(
        self, done: Callable[[], bool], timeout_s: float, problem: str, on_news: Callable[[Recording], None]
    ) -> None:
        """Wait until `done`; raise ReplayError if a process ends or no further result arrives within the timeout.

        A slow camera does not count: the timeout runs only while results of sent frames are outstanding.
        """
        recording = self.recording
        results, since = -1, 0.0
        while not done():
            self._drain(POLL_S)
            self._check_processes()
            on_news(recording)
            settled = bool(recording.sent) and recording.all_accounted_for()
            if settled or len(recording.outputs["mask"]) != results:
                results, since = len(recording.outputs["mask"]), time.monotonic()
            elif time.monotonic() - since > timeout_s:
                raise ReplayError(f"{problem} within {timeout_s:.0f} s; {self._explanation()}")

    def _settle(self, on_news: Callable[[Recording], None]) -> None:
        """Wait for the last results, up to the latency message, which the node publishes last for each frame."""
        deadline = time.monotonic() + SETTLE_WITHIN_S
        outputs = self.recording.outputs
        while time.monotonic() < deadline:
            self._drain(POLL_S)
            self._check_processes()
            on_news(self.recording)
            if self.recording.all_accounted_for() and outputs["mask"].keys() == outputs["latency"].keys():
                return

    def _drain(self, timeout_s: float) -> None:
        """Add all queued events to the recording, waiting up to `timeout_s` for the first."""
        events = self._processes.events
        with contextlib.suppress(queue.Empty):
            event = events.get(timeout=timeout_s) if timeout_s else events.get_nowait()
            while True:
                self.recording.add(event)
                event = events.get_nowait()

    def _check_processes(self) -> None:
        for name in self._processes.names():
            code = self._processes.exit_code(name)
            if code is None or (name == "camera" and code == 0):
                continue
            self._processes.stop(name)  # queues its last events
            self._drain(0)
            if self.recording.refusal:
                raise InputError(self.recording.refusal)
            log = self._processes.log_tail(name)
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
            raise ReplayError(f"the {name} process {how}; its log ({self._processes.log_path(name)}) ends with\n{log}")
        status = self.recording.status("model")
        if status and status["level"] >= ERROR:
            raise ReplayError(f"the node reports: {status['message']}")

    def _explanation(self) -> str:
        """Return the node's diagnostics, or the end of its log or the camera's if it has published none."""
        statuses = self.recording.statuses.values()
        if statuses:
            return "the node reports: " + "; ".join(f"[{status['name']}] {status['message']}" for status in statuses)
        if "node" in self._processes.names():
            return f"the node has published no diagnostics; its log ends with\n{self._processes.log_tail('node')}"
        return f"the camera's log ends with\n{self._processes.log_tail('camera')}"
