"""Finds the files that ship with the package: label maps, models, training recipes, RViz layouts."""

import os
from pathlib import Path

from bisenetformer_ros.errors import ModelError

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


def find_model(model: str | Path) -> Path:
    """Return the file of a model: `model` itself, or the weights that ship under this name.

    Raises:
        ModelError: If there is neither; lists what ships.
    """
    try:
        return config_file("models", str(model), ".safetensors")
    except FileNotFoundError as error:
        raise ModelError(f"model {error}") from None
