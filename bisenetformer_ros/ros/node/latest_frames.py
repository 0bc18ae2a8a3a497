"""One slot per camera, one thread: the newest frames are worked on next, whatever waited before is handed back."""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Frame = TypeVar("Frame")


class LatestFramesWorker(Generic[Frame]):
    """Runs `process` in a thread of its own, each time with the newest frame of every camera that has one waiting.

    A camera therefore has its turn in every round in which it has a frame, however many frames the others send; and
    under overload a frame waits no longer than one round takes.
    """

    def __init__(self, process: Callable[[Sequence[Frame]], None], name: str) -> None:
        """process: must not raise; it is only ever called from the worker's thread."""
        self._process = process
        self._wake = threading.Condition()
        self._waiting: dict[Hashable, Frame] = {}
        self._stopping = False
        # A daemon, so that an inference that hangs cannot keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, camera: Hashable, frame: Frame) -> Frame | None:
        """Makes `frame` the next one of `camera` and returns the one it replaces, if that had not been begun."""
        with self._wake:
            replaced = self._waiting.get(camera)
            self._waiting[camera] = frame
            self._wake.notify()
            return replaced

    def stop(self) -> list[Frame]:
        """Ends the thread after the round that it is working on; returns the frames that were still waiting."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        return list(self._waiting.values())

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or self._waiting)
                if self._stopping:
                    return
                frames, self._waiting = list(self._waiting.values()), {}
            self._process(frames)
