"""The recipe of one training run, read from YAML."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.resources import config_file


@dataclass(frozen=True)
class TrainingConfig:
    """One field per key of the YAML file; a key without a default must be there.

    name: of the resulting weights. architecture: `build_model`'s name, widths and depths. labels: a label map.
    sources: data sets to mix, each {kind, weight, …options of that kind}. crop_size: (height, width), multiples of 32.
    input_size: what the weights file tells engines, see ModelMetadata. num_points: see Criterion.
    auxiliary_weight: of the dense auxiliary loss, 0 = none. ema_decay: of the averaged weights, 0 = none.
    balanced_share, gamma_range: see data.transforms.augment. initial_weights: a weights file, or the name of a shipped
    model, to go on from.
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
    seed: int = 0

    @classmethod
    def load(cls, name: str) -> "TrainingConfig":
        """Reads a file, given by path or by the name of a shipped recipe; ConfigError lists everything wrong."""
        try:
            path = config_file("train", name, ".yaml")
        except FileNotFoundError as error:
            raise ConfigError(f"training recipe {error}") from None
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not valid YAML: {error}") from error
        if not isinstance(content, Mapping):
            raise ConfigError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
        problems = _problems(cls, content)
        if problems:
            raise ConfigError(f"{path}: " + "; ".join(problems))
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in content.items()})


def _problems(cls: type, content: Mapping[str, Any]) -> list[str]:
    known = {item.name: item for item in fields(cls)}
    required = [name for name, item in known.items() if item.default is MISSING]
    problems = [f"unknown key '{key}'" for key in content if key not in known]
    problems += [f"missing key '{name}'" for name in required if name not in content]
    problems += [
        f"{key} is {content[key]!r}, expected {expected}"
        for key, (holds, expected) in _RULES.items()
        if key in content and not holds(content[key])
    ]
    return problems


def _whole(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pair(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(holds, value))


def _source(value: Any) -> bool:
    return isinstance(value, Mapping) and "kind" in value and _POSITIVE[0](value.get("weight", 1.0))


_TEXT = (lambda v: isinstance(v, str) and bool(v), "a text")
_POSITIVE = (lambda v: _number(v) and v > 0, "a number above 0 (YAML needs a dot: 3.0e-4)")
_NOT_NEGATIVE = (lambda v: _number(v) and v >= 0, "a number of at least 0 (YAML needs a dot: 3.0e-4)")
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
    "input_size": (lambda v: v is None or _whole(v), "a whole number of at least 1, or nothing"),
    "seed": (lambda v: _whole(v, 0), "a whole number of at least 0"),
    "iterations": (_whole, "a whole number of at least 1"),
    "batch_size": (lambda v: _whole(v, 2), "a whole number of at least 2"),
    "num_points": (_whole, "a whole number of at least 1"),
    "crop_size": (lambda v: _pair(v, lambda side: _whole(side) and side % 32 == 0), "[height, width], multiples of 32"),
    "scale_range": _RANGE,
    "gamma_range": _RANGE,
    "balanced_share": (lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "initial_weights": (
        lambda v: v is None or (isinstance(v, str) and bool(v)),
        "a weights file or model name, or nothing",
    ),
    "task": (lambda v: v in ("panoptic", "semantic"), "panoptic or semantic"),
    "schedule": (lambda v: v in ("step", "cosine"), "step or cosine"),
    "learning_rate": _POSITIVE,
    "clip_norm": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "backbone_multiplier": _NOT_NEGATIVE,
    "auxiliary_weight": _NOT_NEGATIVE,
    "ema_decay": (lambda v: _number(v) and 0 <= v < 1, "a number from 0 to below 1"),
}
