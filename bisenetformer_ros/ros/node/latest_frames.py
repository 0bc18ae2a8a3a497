"""A worker thread with one slot per camera, which always holds the newest frame."""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Frame = TypeVar("Frame")


class LatestFramesWorker(Generic[Frame]):
    """Calls `process` in its own thread, each time with the newest waiting frame of every camera.

    So every camera is served in every round, however many frames the others send, and under overload a frame waits for
    at most one round.
    """

    def __init__(self, process: Callable[[Sequence[Frame]], None], name: str) -> None:
        """process: Must not raise; called from the worker's thread only."""
        self._process = process
        self._wake = threading.Condition()
        self._waiting: dict[Hashable, Frame] = {}
        self._stopping = False
        # A daemon, so that an inference that hangs does not keep the process alive.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, camera: Hashable, frame: Frame) -> Frame | None:
        """Put `frame` into the slot of `camera`; return the waiting frame that it replaces, if any."""
        with self._wake:
            replaced = self._waiting.get(camera)
            self._waiting[camera] = frame
            self._wake.notify()
            return replaced

    def stop(self, within_s: float) -> list[Frame]:
        """End the thread after its current round and return the frames that were still waiting.

        Raises:
            TimeoutError: If the round does not end in time. The thread ends with it, or with the process.
        """
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(within_s)
        if self._thread.is_alive():
            raise TimeoutError
        waiting, self._waiting = list(self._waiting.values()), {}
        return waiting

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._waiting)
                if self._stopping:
                    return
                frames, self._waiting = list(self._waiting.values()), {}
            self._process(frames)
