"""The processes of the demo: how they are started, heard and stopped."""

import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

Event = dict[str, Any]
EVENT_START = '{"event": '

STOP_WITHIN_S = 8.0
"""So long a process may take to end after it was interrupted; then it is killed."""


class Processes:
    """Started together, stopped together; what they print as events comes out of `events` in order of arrival.

    Every process has a log, DIRECTORY/NAME.log. Leaving the context stops them all.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._directory = directory
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._readers: dict[str, threading.Thread] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(*self._running)

    def start(self, name: str, module: str, arguments: Sequence[str]) -> None:
        """Runs `python -m module arguments`. Its lines on stdout are events where they are JSON objects, else log."""
        log = open(self.log_path(name), "w", encoding="utf-8")  # noqa: SIM115  (closed by the thread)
        python = [sys.executable, "-m"]
        process = subprocess.Popen(
            [*python, "bisenetformer_ros.parent_death", str(os.getpid()), *python, module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for the parent alone, which stops the others in order
        )
        reader = threading.Thread(target=self._read, args=(process.stdout, log), name=f"{name}-events", daemon=True)
        reader.start()
        self._running[name] = process
        self._readers[name] = reader

    def names(self) -> list[str]:
        """Of all that were started."""
        return list(self._running)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def exit_code(self, name: str) -> int | None:
        """None while the process runs; negative: the signal that ended it."""
        return self._running[name].poll()

    def stop(self, *names: str) -> None:
        """Interrupts the processes, kills what does not end in time, returns when all are gone and heard."""
        processes = [self._running[name] for name in names]
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in processes:
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in names:
            self._readers[name].join()

    def log_path(self, name: str) -> Path:
        return self._directory / f"{name}.log"

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The last lines that the process logged."""
        return "\n".join(self.log_path(name).read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _read(self, stream: IO[str], log: IO[str]) -> None:
        with stream, log:
            for line in stream:
                if line.startswith(EVENT_START):
                    self.events.put(json.loads(line))
                else:
                    log.write(line)
                    log.flush()


def private_environment(log_directory: Path) -> dict[str, str]:
    """This process's environment with a ROS graph of its own on this machine, on the transport for large messages.

    ROS_DOMAIN_ID is one that nobody here uses; settings that would lead out of this machine or to another transport are
    left out. ROS writes its own log files below `log_directory`.
    """
    foreign = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE", "ROS_DISCOVERY_SERVER")
    foreign += ("ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY")
    return {name: value for name, value in os.environ.items() if name not in foreign} | {
        "ROS_DOMAIN_ID": str(free_domain_id()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA",
        "ROS_LOG_DIR": str(log_directory / "ros"),
        "PYTHONUNBUFFERED": "1",
    }


def free_domain_id() -> int:
    """A ROS domain, 1 to 99, that no process of this machine has joined.

    The first participant of a domain receives on a UDP port that the DDS specification fixes; it is taken if it cannot
    be bound.
    """
    for domain_id in random.sample(range(1, 100), 99):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain_id))
            except OSError:
                continue
            return domain_id
    raise OSError("every ROS domain of this machine, 1 to 99, is in use")
