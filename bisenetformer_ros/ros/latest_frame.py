"""One slot, one thread: the newest frame is worked on next, whatever waited before it is handed back."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Frame = TypeVar("Frame")


class LatestFrameWorker(Generic[Frame]):
    """Runs `process` in a thread of its own, one frame at a time, always the newest one.

    Under overload a frame therefore waits no longer than one call of `process` takes.
    """

    def __init__(self, process: Callable[[Frame], None], name: str) -> None:
        """process: must not raise; it is only ever called from the worker's thread."""
        self._process = process
        self._wake = threading.Condition()
        self._waiting: Frame | None = None
        self._stopping = False
        # A daemon, so that an inference that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> Frame | None:
        """Makes `frame` the next one and returns the one that it replaces, if that had not been begun."""
        with self._wake:
            replaced, self._waiting = self._waiting, frame
            self._wake.notify()
            return replaced

    def stop(self) -> Frame | None:
        """Ends the thread after the frame that it is working on; returns the frame that was still waiting."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        return self._waiting

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._waiting is not None)
                if self._stopping:
                    return
                frame, self._waiting = self._waiting, None
            self._process(frame)
