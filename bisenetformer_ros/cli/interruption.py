"""Ending a command between two frames."""

import signal
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

INTERRUPTED = 130
"""Exit code, that of a shell for Ctrl-C."""


class Interruption:
    """Ctrl-C or SIGTERM: the first one is noted, the second one interrupts at once. A context manager.

    Attributes:
        requested: Whether the command should end.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def until_requested(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items until the command should end."""
        for item in items:
            if self.requested:
                return
            yield item

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for each in self._before:
            signal.signal(each, signal.default_int_handler)
