"""Recipes on disk: YAML files that may extend another one, their base."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.resources import config_file
from bisenetformer_ros.text_files import read_yaml


class RecipeEntry(NamedTuple):
    """A value, and the file that sets it."""

    value: Any
    path: Path


def find_recipe(name: str) -> Path:
    """Find a recipe by path or by the name of a shipped one; raises ConfigError if there is none."""
    try:
        return config_file("train", name, ".yaml")
    except FileNotFoundError as error:
        raise ConfigError(f"training recipe {error}") from None


def read_recipe(path: Path) -> dict[str, RecipeEntry]:
    """Read the keys of a file and of its bases; a key in the file overrides the whole value in its base.

    `base` is the path of a file, relative to the one that names it, or the name of a shipped recipe.

    Raises:
        ConfigError: A file is missing or not a mapping, or files extend each other.
    """
    entries: dict[str, RecipeEntry] = {}
    chain: list[Path] = []
    while True:
        if path.resolve() in chain:
            names = " → ".join(str(file) for file in [*chain[chain.index(path.resolve()) :], path.resolve()])
            raise ConfigError(f"recipes extend each other: {names}")
        chain.append(path.resolve())
        content = _read_mapping(path)
        base = content.pop("base", None)
        entries = {**{key: RecipeEntry(value, path) for key, value in content.items()}, **entries}
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
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
    return dict(content)
