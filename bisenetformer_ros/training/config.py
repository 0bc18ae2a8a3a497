"""The recipe of one training run."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.config_rules import RULES
from bisenetformer_ros.training.recipe_file import Entry, find_recipe, read_recipe


@dataclass(frozen=True)
class TrainingConfig:
    """One field per key of the YAML file; a key without a default must be there. docs/training.md explains them.

    name: of the resulting weights. architecture: `build_model`'s name, widths and depths. labels: a label map.
    sources: data sets to mix, each {kind, weight, …options of that kind}. crop_size: (height, width), multiples of 32.
    input_size: what the weights file tells engines, see ModelMetadata. initial_weights: see `initialize`.
    validation: a data set as in sources, measured every `validate_every` iterations. num_points: see Criterion.
    auxiliary_weight: of the dense auxiliary loss, 0 = none. ema_decay: of the averaged weights, 0 = none.
    shorter_side: that every image is scaled to before `scale_range` counts, None = as it is.
    balanced_share, gamma_range: see data.transforms.augment.
    """

    name: str
    architecture: Mapping[str, Any]
    labels: str
    sources: tuple[Mapping[str, Any], ...]
    iterations: int
    crop_size: tuple[int, int]
    task: str = "panoptic"
    input_size: int | None = None
    initial_weights: str | None = None
    batch_size: int = 32
    precision: str = "fp32"
    shorter_side: int | None = None
    scale_range: tuple[float, float] = (0.5, 2.0)
    balanced_share: float = 0.0
    gamma_range: tuple[float, float] = (1.0, 1.0)
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    backbone_multiplier: float = 0.1
    schedule: str = "step"
    clip_norm: float = 0.01
    num_points: int = 12544
    auxiliary_weight: float = 0.0
    ema_decay: float = 0.0
    validation: Mapping[str, Any] | None = None
    validate_every: int = 2000
    seed: int = 0

    @classmethod
    def load(cls, name: str) -> "TrainingConfig":
        """Reads a file, given by path or by the name of a shipped recipe, and the files that it builds on.

        Raises ConfigError that lists everything wrong and in which file.
        """
        path = find_recipe(name)
        entries = read_recipe(path)
        problems = list(_problems(cls, entries, path))
        if problems:
            files = dict.fromkeys(file for file, _ in problems)
            raise ConfigError(
                "\n".join(f"{file}: " + "; ".join(text for where, text in problems if where == file) for file in files)
            )
        values = {key: entry.value for key, entry in entries.items()}
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _problems(cls: type, entries: Mapping[str, Entry], path: Path) -> Iterator[tuple[Path, str]]:
    """What is wrong, with the file that says so."""
    known = {item.name: item for item in fields(cls)}
    for key, entry in entries.items():
        if key not in known:
            yield entry.path, f"unknown key '{key}'"
    for key, item in known.items():
        if item.default is MISSING and key not in entries:
            yield path, f"missing key '{key}'"
    for key, (holds, expected) in RULES.items():
        if key in entries and not holds(entries[key].value):
            yield entries[key].path, f"{key} is {entries[key].value!r}, expected {expected}"
