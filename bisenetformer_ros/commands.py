"""Command lines for messages: quoted for a shell, and complete. test/test_commands.py parses and runs them."""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

PLACEHOLDERS = {
    "WEIGHTS": "the weights file",
    "IMAGES": "a folder of images like the camera's",
    "GRAPH": "the graph of `bisenetformer export`",
}
"""Words in commands for files that only the user knows."""


def quoted(*commands: Sequence[object]) -> str:
    """Format commands, to be run one after the other, as code in a message; explain their placeholders.

    Args:
        commands: Each a program and its arguments.
    """
    words = [[*_program(command[0]), *map(str, command[1:])] for command in commands]
    used = [f"{word}: {what}" for word, what in PLACEHOLDERS.items() if any(word in command for command in words)]
    explanation = f" ({'; '.join(used)})" if used else ""
    return f"`{' && '.join(map(shlex.join, words))}`{explanation}"


def ours(*arguments: object) -> str:
    """Format a `bisenetformer` command with these arguments; see `quoted`."""
    return quoted(("bisenetformer", *arguments))


def pip_install(*packages: str) -> str:
    """Format the installation of packages by their own names: an index does not have this package and its extras.

    numpy 1 stays: it is that of a system whose OpenCV and ROS are built for it, and newer packages would replace it.
    """
    keep = ["numpy<2"] if np.__version__.startswith("1.") else []
    return quoted(("pip", "install", *packages, *keep))


def assignment(name: str, value: Any) -> str:
    """Return NAME:=VALUE, which sets a parameter of a node after `-p`."""
    return f"{name}:={value if isinstance(value, str) else json.dumps(value)}"


def _program(name: object) -> list[str]:
    """Return the words that start a program here: `bisenetformer` needs a sourced workspace or an active venv."""
    if name == "bisenetformer" and shutil.which("bisenetformer") is None:
        return [sys.executable, "-m", "bisenetformer_ros.cli"]
    return [str(name)]
