"""How long tests wait for what usually takes a second or two. No test is about how long something takes."""

import time
from collections.abc import Callable

LIMIT_S = 900.0
"""Safety net for one wait; `timeout` in pyproject.toml is the one for a whole test."""


def until(condition: Callable[[], bool], problem: Callable[[], str]) -> None:
    """Try again until the condition holds, for what a single try may miss on a busy machine."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, problem()
