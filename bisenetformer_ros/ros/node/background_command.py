"""A `bisenetformer` command beside the node: in a process of its own, at low priority, ended with the node."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence

NICENESS = 10
"""Of 19: the node and the camera driver come first."""
STOP_WITHIN_S = 5.0
"""So long the command may take to clean up when it is interrupted; then it is killed."""
TAIL_LINES = 5


class BackgroundCommand:
    """Runs from the moment it is made. Each line that the command writes goes to `log`, in a thread of its own.

    To be made in the main thread: Linux ends the process with the thread that started it.
    """

    def __init__(self, arguments: Sequence[str], log: Callable[[str], None]) -> None:
        """arguments: of `bisenetformer`, with the name of the command."""
        leash = [sys.executable, "-m", "bisenetformer_ros.parent_death", str(os.getpid())]
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(
            [*leash, "nice", "-n", str(NICENESS), sys.executable, "-m", "bisenetformer_ros.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C is for the node alone, which stops it
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {arguments[0]}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while the command runs; negative: the signal that ended it."""
        code = self._process.poll()
        if code is not None:
            self._reader.join()
        return code

    def last_words(self) -> str:
        """The end of what the command wrote, where an error is."""
        return "\n".join(self._tail)

    def stop(self) -> None:
        """Interrupts the command, kills it if it does not end in time, returns when it is gone."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        with self._process.stdout as stream:
            for line in stream:
                if line.strip():
                    self._tail.append(line.rstrip())
                    self._log(line.rstrip())
