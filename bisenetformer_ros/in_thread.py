"""Work that goes on beside the caller."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_thread(function: Callable[[], Result], name: str) -> "Future[Result]":
    """Runs `function` in a thread of its own; what it returns or raises is in the future.

    Unlike an executor's, the thread does not keep the process from ending.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
