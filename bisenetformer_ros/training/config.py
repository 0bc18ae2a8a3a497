"""The recipe of one training run."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.config_rules import RULES
from bisenetformer_ros.training.recipe_file import RecipeEntry, find_recipe, read_recipe


@dataclass(frozen=True)
class TrainingConfig:
    """The keys of a recipe, which docs/training.md explains; those without a default are required."""

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
        """Read a recipe, given by path or by the name of a shipped one, and its bases.

        Raises:
            ConfigError: The recipe is invalid; the message lists every problem with its file.
        """
        path = find_recipe(name)
        entries = read_recipe(path)
        problems = list(_problems(cls, entries, path))
        if problems:
            files = dict.fromkeys(file for file, _ in problems)
            raise ConfigError(
                "\n".join(f"{file}: " + "; ".join(text for where, text in problems if where == file) for file in files)
            )
        values: dict[str, Any] = {
            key: tuple(entry.value) if isinstance(entry.value, list) else entry.value for key, entry in entries.items()
        }
        return cls(**values)


def _problems(cls: type, entries: Mapping[str, RecipeEntry], path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every problem with its file."""
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
