"""Finds the files that ship with the package: label maps, models, training recipes, RViz layouts."""

from pathlib import Path

SHIPPED_MODEL = "bisenetformer-nano-camvid"
"""The weights that are there from the beginning, taken where none are named."""


def share_dir() -> Path:
    """The directory that holds `config/`: the checkout, or `share/bisenetformer_ros` of an installation.

    Works for a checkout, for pip and for colcon, all of which put it beside or above the Python modules.
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
    """`name` itself if it is an existing file, else `config/<kind>/<name><suffix>` of the package.

    Raises FileNotFoundError, listing what ships, if there is neither.
    """
    given = Path(name).expanduser()
    if given.is_file():
        return given
    directory = share_dir() / "config" / kind
    shipped = directory / f"{name}{suffix}"
    if shipped.is_file():
        return shipped
    names = ", ".join(sorted(path.stem for path in directory.glob(f"*{suffix}"))) or "none"
    raise FileNotFoundError(f"'{name}' is neither a file nor one of the shipped {kind}: {names}")
