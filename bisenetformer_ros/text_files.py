"""Reads the text files that users provide: UTF-8, with or without a byte order mark."""

import json
from pathlib import Path
from typing import Any

import yaml

from bisenetformer_ros.errors import ConfigError, DataError


def read_text(path: Path) -> str:
    """Read a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not UTF-8. The message, which does not name the file, states the first wrong byte.
    """
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"expected text in UTF-8, got the byte 0x{content[error.start]:02x} at offset {error.start} (line {line}); "
            "save the file as UTF-8"
        ) from None


def read_yaml(path: Path) -> Any:
    """Parse a YAML file. Raises ConfigError, which names it, if it cannot be read or is invalid."""
    try:
        return yaml.safe_load(read_text(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    except ValueError as error:  # PyYAML also raises it, for dates such as 2024-13-01
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid YAML: nested too deeply") from error


def read_json(path: Path) -> Any:
    """Parse a JSON file. Raises DataError, which names it, if it cannot be read or is invalid."""
    try:
        return json.loads(read_text(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path} cannot be read: not valid JSON: {error}") from error
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path} cannot be read: not valid JSON: nested too deeply") from error
