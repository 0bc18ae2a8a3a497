"""Initializes rclpy, with a message for users where the environment or the command line prevents it."""

import os
import re
from collections.abc import Sequence
from typing import Any

import rclpy

from bisenetformer_ros.errors import ConfigError

_SOURCE = re.compile(r", at \S+:\d+\b")
"""Where in ROS' sources an error arose."""
_LOG = re.compile("logging|opening file")
"""Of errors about the log: of its folder, of its file."""


def initialize_ros(args: Sequence[str] | None, **options: Any) -> None:
    """Call `rclpy.init`.

    Args:
        args: Command line with the program's name; sys.argv if None.
        options: Others of `rclpy.init`.

    Raises:
        ConfigError: ROS cannot write its log, or does not understand an argument or a variable of the environment.
    """
    try:
        rclpy.init(args=None if args is None else list(args), **options)
    except RuntimeError as error:  # the errors of rclpy.init have no public base
        if _LOG.search(str(error)):
            raise ConfigError(_log_problem()) from None
        reason = _SOURCE.sub("", str(error)).removeprefix("failed to initialize rcl: ")
        unknown = "unknown ROS arguments " if type(error).__name__ == "UnknownROSArgsError" else ""
        raise ConfigError(f"ROS cannot start: {unknown}{reason}") from None


def _log_problem() -> str:
    folder = os.environ.get("ROS_LOG_DIR") or os.path.join(os.environ.get("ROS_HOME") or "~/.ros", "log")
    cause = " as HOME is not set" if folder.startswith("~") and not os.environ.get("HOME") else ""
    return f"ROS cannot write its log to {folder}{cause}: set ROS_LOG_DIR to a writable folder"
