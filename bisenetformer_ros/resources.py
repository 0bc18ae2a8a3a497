"""Finds models by name, and the files that ship with the package: label maps, models, recipes, RViz layouts."""

import functools
import json
import os
from pathlib import Path

from bisenetformer_ros.commands import ours
from bisenetformer_ros.errors import ModelError
from bisenetformer_ros.file_hash import sha256_of
from bisenetformer_ros.model_catalog import CatalogEntry, read_catalog

SHIPPED_MODEL = "bisenetformer-nano-camvid"
"""The model that ships with the package, used when none is named."""


def share_dir() -> Path:
    """The directory that holds `config/`: the checkout, or `share/bisenetformer_ros` of an installation.

    Works for a checkout, for pip and for colcon, all of which put it beside or above the Python modules.

    Raises:
        FileNotFoundError: If the installation is incomplete.
    """
    for parent in Path(__file__).resolve().parents:
        for candidate in (parent, parent / "share" / "bisenetformer_ros"):
            if (candidate / "config" / "labels").is_dir():
                return candidate
    raise FileNotFoundError(
        f"config/labels not found above {Path(__file__).resolve().parent}: the installation is incomplete; "
        "reinstall bisenetformer_ros"
    )


def config_file(kind: str, name: str, suffix: str) -> Path:
    """Return `name` itself if it is an existing file, else `config/<kind>/<name><suffix>` of the package.

    Raises:
        FileNotFoundError: If neither exists; lists what ships.
    """
    given = Path(os.path.expanduser(name))  # unlike Path.expanduser, leaves "~" alone if there is no home directory
    if given.is_file():
        return given
    directory = share_dir() / "config" / kind
    shipped = directory / f"{name}{suffix}"
    if shipped.is_file():
        return shipped
    names = ", ".join(sorted(path.stem for path in directory.glob(f"*{suffix}"))) or "none"
    raise FileNotFoundError(f"'{name}' is neither a file nor one of the shipped {kind}: {names}")


@functools.cache
def catalog() -> dict[str, CatalogEntry]:
    """The models that can be named: name → entry."""
    return read_catalog(share_dir() / "config" / "models" / "catalog.yaml")


def models_folder() -> Path | None:
    """The folder for downloaded models, existing or not; None if the user has no home directory."""
    chosen, base = os.environ.get("BISENETFORMER_MODELS"), os.environ.get("XDG_DATA_HOME")
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        return (Path(base) if base else Path.home() / ".local" / "share") / "bisenetformer_ros" / "models"
    except RuntimeError:  # HOME is unset, and the user id has no passwd entry
        return None


def find_download(name: str) -> Path | None:
    """Return the weights that were downloaded under this name, unchecked; None if there are none."""
    folder = models_folder()
    path = folder / f"{name}.safetensors" if folder and Path(name).name == name else None
    return path if path and path.is_file() else None


def read_download_record(path: Path) -> dict[str, str]:
    """Read the record beside downloaded weights, whether these exist or not; empty without a readable one.

    Returns:
        {"url", "sha256" of the file as published, "weights_sha256" of the weights file}
    """
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def find_model(model: str | Path) -> Path:
    """Return the file of a model: `model` itself, or the weights that ship or were downloaded under this name.

    Raises:
        ModelError: If there is none, with what ships or the command that downloads it; or the downloaded file has
            changed since.
    """
    name = str(model)
    try:
        return config_file("models", name, ".safetensors")
    except FileNotFoundError as error:
        path = find_download(name)
        if path is None and name not in catalog():
            raise ModelError(f"model {error}; `bisenetformer models` lists those to download") from None
    if path is None:
        raise ModelError(f"model '{name}' has not been downloaded; to do so: {ours('download', name)}")
    if sha256_of(path) != read_download_record(path).get("weights_sha256"):
        raise ModelError(
            f"{path}: expected the SHA-256 recorded in {path.with_suffix('.json')}, got {sha256_of(path)}: the file "
            f"was changed or is damaged; delete it and download it again: {ours('download', name)}"
        )
    return path
