"""The recipe of one training run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from bisenetformer_ros.data.transforms import Augmentation
from bisenetformer_ros.errors import ConfigError
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
    strict: bool = True
    batch_size: int = 32
    accumulate: int = 1
    checkpoint_backbone: bool = False
    precision: str = "fp32"
    cudnn_benchmark: bool = False
    shorter_side: int | None = None
    scale_range: tuple[float, float] = (0.5, 2.0)
    scale_sampling: str = "log_uniform"
    max_class_share: float = 0.75
    balanced_share: float = 0.0
    color_strength: float = 1.0
    hue_shift: float = 18.0
    gamma_range: tuple[float, float] = (1.0, 1.0)
    blur_range: tuple[float, float] = (0.0, 0.0)
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    backbone_multiplier: float = 0.1
    schedule: str = "step"
    milestones: tuple[float, ...] = (0.889, 0.963)
    warmup: float = 0.02
    clip_norm: float = 0.01
    num_points: int = 12544
    auxiliary_weight: float = 0.0
    ema_decay: float = 0.0
    weights_precision: str = "fp16"
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

    @property
    def augmentation(self) -> Augmentation:
        """The keys of the augmentation."""
        return Augmentation(**{item.name: getattr(self, item.name) for item in fields(Augmentation)})


def _problems(cls: type, entries: Mapping[str, RecipeEntry], path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every problem with its file."""
    known = {item.name: item for item in fields(cls)}
    for key, entry in entries.items():
        if key not in known:
            yield entry.path, f"unknown key '{key}'"
    for key, item in known.items():
        if item.default is MISSING and key not in entries:
            yield path, f"missing key '{key}'"
    for key, (holds, expected) in _RULES.items():
        if key in entries and not holds(entries[key].value):
            yield entries[key].path, f"{key} is {entries[key].value!r}, expected {expected}"


def _whole(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pair(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(holds, value))


def _source(value: Any) -> bool:
    return isinstance(value, Mapping) and "kind" in value and _POSITIVE[0](value.get("weight", 1.0))


_TEXT = (lambda v: isinstance(v, str) and bool(v), "text")
_BOOLEAN = (lambda v: isinstance(v, bool), "true or false")
_POSITIVE = (lambda v: _number(v) and v > 0, "a number above 0 (YAML needs a dot: 3.0e-4)")
_NOT_NEGATIVE = (lambda v: _number(v) and v >= 0, "a number of at least 0 (YAML needs a dot: 3.0e-4)")
_SHARE = (lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1")
_SIDE = (lambda v: v is None or _whole(v), "a whole number of at least 1, or null")
_RANGE = (
    lambda v: _pair(v, lambda end: _number(end) and end > 0) and v[0] <= v[1],
    "[smallest, largest], both above 0",
)
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "architecture": (
        lambda v: isinstance(v, Mapping) and "name" in v and not v.keys() & {"num_classes", "pixel_mean", "pixel_std"},
        "a mapping with the model's 'name' and its widths and depths (the labels give num_classes)",
    ),
    "sources": (
        lambda v: isinstance(v, list) and bool(v) and all(map(_source, v)),
        "a list of mappings, each with a 'kind' and, if not 1, a 'weight' above 0",
    ),
    "name": _TEXT,
    "labels": _TEXT,
    "input_size": _SIDE,
    "shorter_side": _SIDE,
    "seed": (lambda v: _whole(v, 0), "a whole number of at least 0"),
    "iterations": (_whole, "a whole number of at least 1"),
    "batch_size": (lambda v: _whole(v, 2), "a whole number of at least 2"),
    "accumulate": (_whole, "a whole number of at least 1"),
    "num_points": (_whole, "a whole number of at least 1"),
    "crop_size": (lambda v: _pair(v, lambda side: _whole(side) and side % 32 == 0), "[height, width], multiples of 32"),
    "scale_range": _RANGE,
    "gamma_range": _RANGE,
    "scale_sampling": (lambda v: v in ("uniform", "log_uniform"), "uniform or log_uniform"),
    "max_class_share": (lambda v: _number(v) and 0 < v <= 1, "a number above 0, at most 1"),
    "balanced_share": _SHARE,
    "color_strength": (lambda v: _number(v) and 0 <= v <= 2, "a number from 0 to 2"),
    "hue_shift": (lambda v: _number(v) and 0 <= v <= 180, "degrees from 0 to 180"),
    "blur_range": (
        lambda v: _pair(v, lambda end: _number(end) and end >= 0) and v[0] <= v[1],
        "[smallest, largest], at least 0",
    ),
    "initial_weights": (
        lambda v: v is None or (isinstance(v, str) and bool(v)),
        "a weights file or model name, or null",
    ),
    "strict": _BOOLEAN,
    "checkpoint_backbone": _BOOLEAN,
    "cudnn_benchmark": _BOOLEAN,
    "precision": (lambda v: v in ("fp32", "tf32", "bf16", "fp16"), "fp32, tf32, bf16 or fp16"),
    "weights_precision": (lambda v: v in ("fp16", "fp32"), "fp16 or fp32"),
    "validation": (lambda v: v is None or _source(v), "a mapping with a 'kind', or null"),
    "validate_every": (_whole, "a whole number of at least 1"),
    "task": (lambda v: v in ("panoptic", "semantic"), "panoptic or semantic"),
    "schedule": (lambda v: v in ("step", "cosine", "poly"), "step, cosine or poly"),
    "milestones": (
        lambda v: isinstance(v, list) and all(map(_SHARE[0], v)) and v == sorted(v),
        "a list of numbers from 0 to 1, in ascending order",
    ),
    "warmup": _SHARE,
    "learning_rate": _POSITIVE,
    "clip_norm": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "backbone_multiplier": _NOT_NEGATIVE,
    "auxiliary_weight": _NOT_NEGATIVE,
    "ema_decay": (lambda v: _number(v) and 0 <= v < 1, "a number from 0 to below 1"),
}
