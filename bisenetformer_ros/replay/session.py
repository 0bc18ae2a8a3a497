"""One drive: camera, node and listener run as processes of their own until every frame is accounted for."""

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

from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError, InputError
from bisenetformer_ros.replay.processes import Processes, private_environment
from bisenetformer_ros.replay.recording import INPUT_TOPIC, Recording

START_WITHIN_S = 120.0
"""From the start of the processes to the first frame sent: loading PyTorch and the model on a slow machine."""
RESULT_WITHIN_S = 30.0
"""From a frame sent to the next result."""
SETTLE_WITHIN_S = 10.0
"""From the last frame sent to the last result."""
POLL_S = 0.2
DIAGNOSTICS_PERIOD_S = 0.5
LISTENERS = 2
"""Of the camera: the node and the recorder."""
ERROR = 2
"""diagnostic_msgs/DiagnosticStatus.ERROR"""


class DemoError(BiSeNetFormerError):
    """The demo ran but did not get to its end; the message says why, as far as it is known."""


@dataclass(frozen=True)
class Player:
    """What plays the camera: a module with the events of `ros/camera_player`, and its arguments."""

    module: str
    arguments: Sequence[str]


@dataclass(frozen=True)
class DemoSettings:
    """source, topic: what the camera plays, see docs/demo.md. rate_hz, num_frames: how fast and how many at most.

    model, task, engine: parameters of the node.
    """

    source: str
    topic: str | None
    rate_hz: float
    num_frames: int
    model: str
    task: str
    engine: str

    @property
    def player(self) -> Player:
        arguments = [self.source, "--rate", str(self.rate_hz), "--frames", str(self.num_frames)]
        return Player(
            "bisenetformer_ros.ros.replay.camera_player", arguments + (["--topic", self.topic] if self.topic else [])
        )

    @property
    def node_parameters(self) -> dict[str, Any]:
        return {"model": self.model, "task": self.task, "engine": self.engine}


class DemoSession:
    """Runs the processes; `recording` grows meanwhile."""

    def __init__(
        self, player: Player, node_parameters: Mapping[str, Any], directory: Path, log_directory: Path
    ) -> None:
        """directory: for the pictures of the recording; log_directory: for the logs. Both must exist.

        Raises ConfigError without ROS 2.
        """
        if find_spec("rclpy") is None or find_spec("bisenetformer_ros.msg") is None:
            raise ConfigError(
                "ROS 2 or this package's messages are missing: source a ROS 2 installation and the workspace, or, in a "
                "checkout after `make setup`, tools/env.sh"
            )
        self.recording = Recording(directory)
        self._player = player
        self._node_parameters = node_parameters
        self.environment = private_environment(log_directory)
        self._processes = Processes(log_directory, self.environment)

    def run(self, on_news: Callable[[Recording], None]) -> Recording:
        """Returns when every frame is accounted for; no process is left then, nor after an exception.

        on_news: called several times per second. Raises InputError for a source that cannot be played and DemoError
        if a process ends early or no results come.
        """
        recording = self.recording
        with self._processes:
            self._start_camera()
            self._wait(lambda: recording.opened is not None, START_WITHIN_S, "the source does not open", on_news)
            self._start_listener()
            self._start_node()
            self._wait(lambda: bool(recording.sent), START_WITHIN_S, "the camera does not begin", on_news)
            self._wait(lambda: recording.finished, RESULT_WITHIN_S, "no results come", on_news)
            self._settle(on_news)
            self._processes.stop("listener")  # it writes what it still holds
            self._drain(0)
            if not recording.complete():
                raise DemoError(f"the camera is done and no result came; {self._explanation()}")
        return recording

    def _start_camera(self) -> None:
        arguments = [*self._player.arguments, "--subscribers", str(LISTENERS)]
        self._processes.start("camera", self._player.module, arguments)

    def _start_listener(self) -> None:
        arguments = [str(self.recording.directory), "--image-topic", INPUT_TOPIC]
        self._processes.start("listener", "bisenetformer_ros.ros.replay.listener", arguments)

    def _start_node(self) -> None:
        """Parameters go by file: on the command line, a model called `12` would be taken for a number."""
        parameters = {**self._node_parameters, "diagnostic_updater.period": DIAGNOSTICS_PERIOD_S}
        file = self.recording.directory / "parameters.yaml"
        file.write_text(json.dumps({"/**": {"ros__parameters": parameters}}), encoding="utf-8")  # JSON is YAML, quoted
        remappings = ["-r", f"image_raw:={INPUT_TOPIC}", "-r", "camera_info:=/camera/camera_info"]
        arguments = ["node", "--ros-args", "--params-file", str(file), *remappings]
        self._processes.start("node", "bisenetformer_ros.cli", arguments)

    def _wait(
        self, done: Callable[[], bool], patience_s: float, complaint: str, on_news: Callable[[Recording], None]
    ) -> None:
        """Until `done`; raises DemoError if a process ends, or if no further result comes for `patience_s`.

        A camera that takes its time is waited for: nothing is to come while there is a result of every frame.
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
            elif time.monotonic() - since > patience_s:
                raise DemoError(f"{complaint}, for {patience_s:.0f} s now; {self._explanation()}")

    def _settle(self, on_news: Callable[[Recording], None]) -> None:
        """The last results are still on their way when the camera is done; latency is what comes last of a frame."""
        deadline = time.monotonic() + SETTLE_WITHIN_S
        outputs = self.recording.outputs
        while time.monotonic() < deadline:
            self._drain(POLL_S)
            self._check_processes()
            on_news(self.recording)
            if self.recording.all_accounted_for() and outputs["mask"].keys() == outputs["latency"].keys():
                return

    def _drain(self, timeout_s: float) -> None:
        """Takes in all events that there are, having waited for the first one for `timeout_s`."""
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
            self._processes.stop(name)  # everything that it said is heard then
            self._drain(0)
            if self.recording.refusal:
                raise InputError(self.recording.refusal)
            log = self._processes.log_tail(name)
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise DemoError(f"the {name} process {how}; its log ({self._processes.log_path(name)}) ends with\n{log}")
        status = self.recording.status("model")
        if status and status["level"] >= ERROR:
            raise DemoError(f"the node says: {status['message']}")

    def _explanation(self) -> str:
        """What the node says about it, as /diagnostics has it, else its log."""
        statuses = self.recording.statuses.values()
        if statuses:
            return "the node says: " + "; ".join(f"[{status['name']}] {status['message']}" for status in statuses)
        if "node" in self._processes.names():
            return f"the node has said nothing; its log ends with\n{self._processes.log_tail('node')}"
        return f"the camera's log ends with\n{self._processes.log_tail('camera')}"
