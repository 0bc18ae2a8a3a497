"""Builds the file of an engine beside the node: a `bisenetformer` command in a process of its own, at low priority."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import IO

NICENESS = 10
"""Of 19: the node and the camera driver come first."""
STOP_WITHIN_S = 3.0
"""Grace period for an interrupted command to clean up before it is killed."""
TAIL_LINES = 5


class EngineBuilder:
    """A command that runs from construction on. Construct it in the main thread: PDEATHSIG, which ends the command with
    the node, fires when the thread that spawned it exits."""

    def __init__(self, arguments: Sequence[str], log: Callable[[str], None]) -> None:
        """
        Args:
            arguments: Of `bisenetformer`, beginning with the name of the command.
            log: Called with each line of output, in another thread.

        Raises:
            OSError: If the machine cannot start another process.
        """
        die_with_node = [sys.executable, "-m", "bisenetformer_ros.parent_death", str(os.getpid())]
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(
            [*die_with_node, "nice", "-n", str(NICENESS), sys.executable, "-m", "bisenetformer_ros.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches the node alone, which stops the command
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=f"log of {arguments[0]}", daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while the command runs; negative: the signal that killed it."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(STOP_WITHIN_S)
        return code

    def last_lines(self) -> str:
        """The end of the output, where an error is."""
        return "\n".join(self._tail)

    def stop(self) -> None:
        """Interrupt the command, kill it if it does not end in time, and return when it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, output: IO[str]) -> None:
        with output:
            for line in output:
                if line.strip():
                    self._tail.append(line.rstrip())
                    self._log(line.rstrip())
