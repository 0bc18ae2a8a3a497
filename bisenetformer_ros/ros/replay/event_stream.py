"""Events from a child process to its parent: one JSON object per line on stdout."""

import json
from typing import Any

from builtin_interfaces.msg import Time


def emit(event: str, **values: Any) -> None:
    """Write {"event": event, **values} and flush; not thread-safe."""
    print(json.dumps({"event": event, **values}), flush=True)


def nanoseconds(stamp: Time) -> int:
    """Return a stamp in ns, the key by which events of different processes are joined."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec
