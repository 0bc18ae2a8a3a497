"""Checks a parameter file for a node: ROS ignores in silence one that is missing or has other nodes' parameters."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.text_files import read_yaml

_PARAMETERS = "ros__parameters"


def check_params_file(path: Path, node: str) -> str:
    """Check that a file has parameters for a node.

    Args:
        path: YAML file.
        node: Full name of the node, such as `/robot/bisenetformer`.

    Returns:
        A warning if it has parameters of other nodes only, else an empty string.

    Raises:
        ConfigError: It cannot be read, is not YAML or is no parameter file.
    """
    names = list(_node_names(read_yaml(path)))
    if not names:
        raise ConfigError(f"{path}: expected parameters as `{node}: {{{_PARAMETERS}: {{name: value}}}}`")
    if any(re.fullmatch(_pattern(name), node) for name in names):
        return ""
    return f"{path} has no parameters for {node}, only for {', '.join(names)}; use that name or /**"


def _node_names(document: Any, above: str = "") -> Iterator[str]:
    """The nodes that have parameters: keys, possibly nested, above `ros__parameters`."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == _PARAMETERS:
                yield above
            else:
                yield from _node_names(value, f"{above}/{str(key).strip('/')}")


def _pattern(name: str) -> str:
    """A node name with wildcards, as rcl reads them, as a regular expression."""
    return re.escape(name).replace(r"/\*\*", "(/[^/]+)*").replace(r"\*", "[^/]+")
