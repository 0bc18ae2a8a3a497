"""Command lines for messages: quoted for a shell, and complete. test/test_commands.py parses and runs them."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

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
    words = [[str(word) for word in command] for command in commands]
    used = [f"{word}: {what}" for word, what in PLACEHOLDERS.items() if any(word in command for command in words)]
    explanation = f" ({'; '.join(used)})" if used else ""
    return f"`{' && '.join(map(shlex.join, words))}`{explanation}"


def ours(*arguments: object) -> str:
    """Format a `bisenetformer` command with these arguments; see `quoted`."""
    return quoted(("bisenetformer", *arguments))


def pip_install(*packages: str) -> str:
    """Format the installation of packages by their own names: an index does not have this package and its extras."""
    return quoted(("pip", "install", *packages))


def assignment(name: str, value: Any) -> str:
    """Return NAME:=VALUE, which sets a parameter of a node after `-p`."""
    return f"{name}:={value if isinstance(value, str) else json.dumps(value)}"
