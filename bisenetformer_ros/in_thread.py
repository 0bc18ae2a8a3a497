"""Runs a function in a thread of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_thread(function: Callable[[], Result], name: str) -> "Future[Result]":
    """Run `function` in a daemon thread; the future holds what it returns or raises.

    Unlike the threads of an executor, it does not keep the process alive.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
