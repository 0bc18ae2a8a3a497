"""How the player and the recorder report to the process that started them: one JSON object per line on stdout."""

import json
from typing import Any

from builtin_interfaces.msg import Time


def emit(event: str, **values: Any) -> None:
    """Writes {"event": event, …values} at once; to be called from one thread."""
    print(json.dumps({"event": event, **values}), flush=True)


def nanoseconds(stamp: Time) -> int:
    """A stamp as one number, by which the events of both processes are joined."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec
