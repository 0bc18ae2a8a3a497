"""A recipe on disk: a YAML file that may build on another one, its base."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.resources import config_file


class Entry(NamedTuple):
    """A value, and the file that says so."""

    value: Any
    path: Path


def find_recipe(name: str) -> Path:
    """A file, given by path or by the name of a shipped recipe."""
    try:
        return config_file("train", name, ".yaml")
    except FileNotFoundError as error:
        raise ConfigError(f"training recipe {error}") from None


def read_recipe(path: Path) -> dict[str, Entry]:
    """Every key of the file and of those it builds on; the file itself goes before its base, key by key.

    `base` names a file, from the folder of the one that says so, or a shipped recipe. Raises ConfigError for a file
    that is missing or no mapping, and for files that build on each other.
    """
    entries: dict[str, Entry] = {}
    chain: list[Path] = []
    while True:
        if path.resolve() in chain:
            names = " → ".join(str(file) for file in [*chain[chain.index(path.resolve()) :], path.resolve()])
            raise ConfigError(f"recipes that build on each other: {names}")
        chain.append(path.resolve())
        content = _read_mapping(path)
        base = content.pop("base", None)
        entries = {**{key: Entry(value, path) for key, value in content.items()}, **entries}
        if base is None:
            return entries
        path = _find_base(base, path)


def _find_base(base: Any, path: Path) -> Path:
    if not isinstance(base, str):
        raise ConfigError(f"{path}: base is {base!r}, expected a file or the name of a shipped recipe")
    beside = path.parent / base
    try:
        return beside if beside.is_file() else find_recipe(base)
    except ConfigError as error:
        raise ConfigError(f"{path}: base: {error}") from None


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
    return dict(content)
