"""Data sets by name, or by the YAML file that describes them, as recipes and the command line ask for them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from bisenetformer_ros.data.ade20k import open_ade20k, open_ade20k_panoptic
from bisenetformer_ros.data.camvid import open_camvid
from bisenetformer_ros.data.cityscapes import open_cityscapes
from bisenetformer_ros.data.custom import open_custom
from bisenetformer_ros.data.generated import RenderedDrives
from bisenetformer_ros.data.labeled_images import LabeledImages
from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import ConfigError, DataError

SYNTHETIC = "synthetic"
ON_DISK: Mapping[str, Callable[..., LabeledImages]] = {
    "ade20k": open_ade20k,
    "ade20k-panoptic": open_ade20k_panoptic,
    "camvid": open_camvid,
    "cityscapes": open_cityscapes,
}
NAMES = (*ON_DISK, SYNTHETIC)


def open_dataset(kind: str, root: str | Path | None = None, **options: Any) -> LabeledDataset:
    """kind: one of NAMES or a YAML file. root: the folder of a data set on disk; a YAML file names its own.

    options: splits=[…], by default ["train"]; for synthetic first_seed, num_drives, frames_per_drive, size.
    Raises ConfigError for an unknown kind or option, DataError for a folder that is not what it should be.
    """
    dataset = find_dataset(kind, root, **options)
    if isinstance(dataset, LabeledImages) and dataset.problems:
        raise DataError(f"data set {kind}: " + "\n".join(dataset.problems))
    return dataset


def find_dataset(kind: str, root: str | Path | None = None, **options: Any) -> LabeledDataset:
    """What `open_dataset` opens, even if some of its files are missing: `problems` tells which."""
    splits = options.get("splits", ["train"])
    if isinstance(splits, str) or not splits:
        raise ConfigError(f"data set {kind}: splits is {splits!r}, expected a list such as [train]")
    opener = _opener(kind, None if root is None else Path(root).expanduser())
    try:
        signature(opener).bind(**options)
    except TypeError as error:
        raise ConfigError(f"data set {kind}: {error}") from error
    return opener(**options)


def _opener(kind: str, root: Path | None) -> Callable[..., LabeledDataset]:
    if kind == SYNTHETIC:
        return RenderedDrives
    if kind in ON_DISK:
        if root is None:
            raise ConfigError(f"the data set {kind} needs --root DIR, the folder it was unpacked in")
        return partial(ON_DISK[kind], root)
    if Path(kind).suffix not in (".yaml", ".yml"):
        raise ConfigError(f"unknown data set '{kind}', expected {', '.join(NAMES)} or a YAML file")
    description = Path(kind).expanduser()
    if not description.is_file():
        raise ConfigError(f"data set {kind}: there is no such file")
    return partial(open_custom, description, root)


def open_sources(sources: Sequence[Mapping[str, Any]], root: Path | None) -> list[LabeledDataset]:
    """One data set per source of a training recipe."""
    return [open_dataset(**arguments_of(source, root)) for source in sources]


def arguments_of(source: Mapping[str, Any], root: Path | None) -> dict[str, Any]:
    """What `open_dataset` takes, from a source of a recipe; `root` is for those on disk that do not name their own."""
    arguments = {key: value for key, value in source.items() if key != "weight"}
    if arguments["kind"] in ON_DISK:
        arguments.setdefault("root", root)
    return arguments
