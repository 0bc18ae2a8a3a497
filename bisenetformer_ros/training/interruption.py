"""Ctrl-C and `kill` ask a run to stop; it does so when its state is worth keeping."""

import signal
from types import FrameType, TracebackType


class Interruption:
    """While entered, SIGINT and SIGTERM only set `signal_number`. Main thread alone."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal_number: int | None = None

    @property
    def requested(self) -> bool:
        return self.signal_number is not None

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number


def ignore_interruptions() -> None:
    """For the processes that load images: a terminal sends them Ctrl-C as well, but the run needs them to its end."""
    for number in Interruption.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
