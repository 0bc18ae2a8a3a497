"""Data sets by name, or by the YAML file that describes them, for recipes and the command line."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from bisenetformer_ros.data.ade20k import open_ade20k, open_ade20k_panoptic
from bisenetformer_ros.data.cityscapes import open_cityscapes
from bisenetformer_ros.data.custom import open_custom
from bisenetformer_ros.data.kitti_step import open_kitti_step
from bisenetformer_ros.data.labeled_images import LabeledImages, concatenate_splits, require_known
from bisenetformer_ros.data.png_labels import ValueTable, open_png_labels
from bisenetformer_ros.data.sample import LabeledDataset, Sample
from bisenetformer_ros.errors import ConfigError, DataError
from bisenetformer_ros.labels import LabelMap
from bisenetformer_ros.numbers import first_of
from bisenetformer_ros.results import UNLABELED
from bisenetformer_ros.streets import LABEL_MAP, StreetDrive


def open_camvid(root: Path, splits: Sequence[str]) -> LabeledImages:
    """Open CamVid in the form and the split of SegNet: 480×360 frames in recording order, 11 classes.

    Each split is a folder of NAME.jpg and NAME.png; 11 means unlabelled. CamVid has no instance labels. Source: Brostow
    et al., "Semantic object classes in video", 2009.
    """
    require_known(splits, ("train", "val", "test"), "CamVid")
    labels = LabelMap.load("camvid11")
    table = ValueTable({**{label.id: label.id for label in labels}, len(labels): UNLABELED})
    patterns = ("{split}/{name}.jpg", "{split}/{name}.png")
    return concatenate_splits(
        [open_png_labels(root, [p.replace("{split}", split) for p in patterns], labels, table) for split in splits]
    )


class RenderedDrives:
    """Frames spread evenly over synthetic drives, rendered once and kept in memory.

    The drives have the seeds first_seed, first_seed + 1, … Seeds below 10000 are reserved for evaluation and demos, the
    others are for training. `size` is (height, width) in pixels; `crowd` as in `StreetDrive`.
    """

    has_instances = True

    def __init__(
        self,
        first_seed: int = 0,
        num_drives: int = 20,
        frames_per_drive: int = 5,
        size: tuple[int, int] = (360, 480),
        crowd: float = 1.0,
    ) -> None:
        self.labels = LabelMap.load(LABEL_MAP)
        self.samples: list[Sample] = []
        for seed in range(first_seed, first_seed + num_drives):
            drive = StreetDrive(seed, size=size, crowd=crowd)
            for index in np.linspace(0, len(drive) - 1, frames_per_drive).round().astype(int):
                frame = drive[int(index)]
                name = f"drive{seed}_{index:03d}"
                self.samples.append(Sample(name, frame.rgb, frame.label_map, frame.instance_map.astype(np.int32)))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


SYNTHETIC = "synthetic"
ON_DISK: Mapping[str, Callable[..., LabeledImages]] = {
    "ade20k": open_ade20k,
    "ade20k-panoptic": open_ade20k_panoptic,
    "camvid": open_camvid,
    "cityscapes": open_cityscapes,
    "kitti-step": open_kitti_step,
}
NAMES = (*ON_DISK, SYNTHETIC)


def open_dataset(kind: str, root: str | Path | None = None, **options: Any) -> LabeledDataset:
    """Open a complete data set.

    Args:
        kind: One of `NAMES`, or a YAML file (see docs/datasets.md).
        root: Folder of a data set on disk; replaces the root in a YAML file.
        **options: `splits` (default ["val"]); for "synthetic", which has none, the arguments of `RenderedDrives`.

    Raises:
        ConfigError: The kind or an option is unknown, or the YAML file is invalid.
        DataError: Files are missing or invalid.
    """
    dataset = find_dataset(kind, root, **options)
    if isinstance(dataset, LabeledImages) and dataset.problems:
        raise DataError(f"data set {kind}: " + "\n".join(dataset.problems))
    return dataset


def find_dataset(kind: str, root: str | Path | None = None, **options: Any) -> LabeledDataset:
    """Like `open_dataset`, but accept missing files and list them in `problems`."""
    if kind != SYNTHETIC:
        splits = options.setdefault("splits", ["val"])
        if isinstance(splits, str) or not splits:
            raise ConfigError(f"data set {kind}: splits is {splits!r}, expected a list such as [val]")
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
    if Path(kind).suffix.lower() not in (".yaml", ".yml"):
        raise ConfigError(f"unknown data set '{kind}', expected {', '.join(NAMES)} or a YAML file")
    description = Path(kind).expanduser()
    if not description.is_file():
        raise ConfigError(f"data set {kind}: file not found")
    return partial(open_custom, description, root)


def require_labels(dataset: LabeledDataset, kind: str, labels: LabelMap) -> None:
    """Raise ConfigError, which names the differences, if a data set of a recipe has other classes than `labels`."""
    if differences := dataset.labels.differences(labels):
        raise ConfigError(
            f"data set {kind} has the labels {dataset.labels.name}, not {labels.name}: class {first_of(differences)}"
        )


def open_sources(sources: Sequence[Mapping[str, Any]], root: Path | None, split: str) -> list[LabeledDataset]:
    """Open the data set of each source of a recipe; for `root` and `split` see `arguments_of`."""
    return [open_dataset(**arguments_of(source, root, split)) for source in sources]


def arguments_of(source: Mapping[str, Any], root: Path | None, split: str) -> dict[str, Any]:
    """Convert a source of a recipe to arguments of `open_dataset`.

    Args:
        source: Of the recipe, or its validation.
        root: For kinds on disk that name none.
        split: For sources that name none.
    """
    arguments = {key: value for key, value in source.items() if key != "weight"}
    if arguments["kind"] in ON_DISK:
        arguments.setdefault("root", root)
    if arguments["kind"] != SYNTHETIC:
        arguments.setdefault("splits", [split])
    return arguments
