"""Data sets by name, as recipes and the command line ask for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bisenetformer_ros.data.camvid import CamVid
from bisenetformer_ros.data.rendered import RenderedDrives
from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import ConfigError


def open_dataset(kind: str, root: Path | None = None, **options: Any) -> LabeledDataset:
    """kind: 'camvid' (needs root; splits=[…]) or 'synthetic' (first_seed, num_drives, frames_per_drive).

    Raises ConfigError for an unknown kind or option, DataError for a folder that is not what it should be.
    """
    try:
        if kind == "camvid":
            if root is None:
                raise ConfigError("the data set camvid needs --root DIR, the folder with train/, val/ and test/")
            return CamVid(root, tuple(options.pop("splits", ["train"])), **options)
        if kind == "synthetic":
            return RenderedDrives(**options)
    except TypeError as error:
        raise ConfigError(f"data set {kind}: {error}") from error
    raise ConfigError(f"unknown data set '{kind}', expected camvid or synthetic")


def open_sources(sources: tuple[Mapping[str, Any], ...], root: Path | None) -> list[LabeledDataset]:
    """One data set per source of a training recipe."""
    datasets = []
    for source in sources:
        options = {key: value for key, value in source.items() if key not in ("kind", "weight")}
        datasets.append(open_dataset(source["kind"], root if source["kind"] != "synthetic" else None, **options))
    return datasets
