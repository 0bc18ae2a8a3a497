"""Ctrl-C and `kill` request a stop; the run finishes its step and saves first."""

import signal
from types import FrameType, TracebackType


class Interruption:
    """A context in which SIGINT and SIGTERM only set `signal_number`; for the main thread."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.signal_number: int | None = None

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
    """Ignore them in a loader process: a terminal sends Ctrl-C to it as well, but the run needs it to the end."""
    for number in Interruption.SIGNALS:
        signal.signal(number, signal.SIG_IGN)
