"""Child processes of a replay: start them, receive their events, stop them."""

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
from typing import IO, Any

Event = dict[str, Any]
EVENT_START = '{"event": '

STOP_WITHIN_S = 8.0
"""Grace period between SIGINT and SIGKILL."""


class Processes:
    """A group of child processes; leaving the context stops them all.

    Each process has a log, DIRECTORY/NAME.log.

    Attributes:
        events: The events that the processes print, in order of arrival.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._directory = directory
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._readers: dict[str, threading.Thread] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop(*self._running)

    def start(self, name: str, module: str, arguments: Sequence[str]) -> None:
        """Run `python -m module arguments`. Events are JSON objects on its stdout; all other output goes to its log."""
        log = open(self.log_path(name), "w", encoding="utf-8")  # noqa: SIM115  (the reader thread closes it)
        python = [sys.executable, "-m"]
        process = subprocess.Popen(
            [*python, "bisenetformer_ros.parent_death", str(os.getpid()), *python, module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which stops its children in order
        )
        reader = threading.Thread(target=self._read, args=(process.stdout, log), name=f"{name}-events", daemon=True)
        reader.start()
        self._running[name] = process
        self._readers[name] = reader

    def names(self) -> list[str]:
        """Names of all processes that were started."""
        return list(self._running)

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def exit_code(self, name: str) -> int | None:
        """Return the exit code: None while the process runs, -N if signal N ended it."""
        return self._running[name].poll()

    def stop(self, *names: str) -> None:
        """Interrupt the processes and kill those that do not exit in time. All their events are queued on return."""
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
        """Return the last lines of the process's log."""
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
    """Return this process's environment, changed to a private ROS graph on this machine.

    It sets an unused ROS_DOMAIN_ID and the transport for large messages, and drops variables that select other hosts
    or transports. ROS writes its own logs below `log_directory`.
    """
    dropped = (
        "FASTRTPS_DEFAULT_PROFILES_FILE",
        "FASTDDS_DEFAULT_PROFILES_FILE",
        "ROS_DISCOVERY_SERVER",
        "ROS_STATIC_PEERS",
        "ROS_LOCALHOST_ONLY",
    )
    return {name: value for name, value in os.environ.items() if name not in dropped} | {
        "ROS_DOMAIN_ID": str(free_domain_id()),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA",
        "ROS_LOG_DIR": str(log_directory / "ros"),
        "PYTHONUNBUFFERED": "1",
    }


def free_domain_id() -> int:
    """Return a ROS domain of 1..99 that no process on this machine has joined.

    A domain is in use if the UDP port of its first participant, which the DDS specification fixes, cannot be bound.

    Raises:
        OSError: All domains are in use.
    """
    for domain_id in random.sample(range(1, 100), 99):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("", 7410 + 250 * domain_id))
            except OSError:
                continue
            return domain_id
    raise OSError("all ROS domains of 1..99 are in use on this machine")
