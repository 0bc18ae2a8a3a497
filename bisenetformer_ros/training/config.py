"""The recipe of one training run, read from YAML."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.resources import config_file


@dataclass(frozen=True)
class TrainingConfig:
    """One field per key of the YAML file; a key without a default must be there.

    name: of the resulting weights. architecture: keywords of `build_model` but num_classes. labels: a label map.
    sources: data sets to mix, each {kind, weight, …options of that kind}. crop_size: (height, width), multiples of 32.
    input_size: what the weights file tells engines, see ModelMetadata. num_points: see Criterion.
    auxiliary_weight: of the dense auxiliary loss, 0 = none. ema_decay: of the averaged weights, 0 = none.
    """

    name: str
    architecture: Mapping[str, Any]
    labels: str
    sources: tuple[Mapping[str, Any], ...]
    iterations: int
    crop_size: tuple[int, int]
    task: str = "panoptic"
    input_size: int | None = None
    batch_size: int = 32
    scale_range: tuple[float, float] = (0.5, 2.0)
    learning_rate: float = 3e-4
    weight_decay: float = 0.05
    backbone_multiplier: float = 0.1
    schedule: str = "step"
    clip_norm: float = 0.01
    num_points: int = 12544
    auxiliary_weight: float = 0.0
    ema_decay: float = 0.0
    seed: int = field(default=0)

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
    problems = [f"unknown key '{key}'" for key in content if key not in known]
    problems += [f"missing key '{name}'" for name, item in known.items() if item.default is MISSING and name not in content]

    def expect(key: str, condition: bool, expected: str) -> None:
        if key in content and not condition:
            problems.append(f"{key} is {content[key]!r}, expected {expected}")

    def number(key: str) -> float:
        value = content.get(key, 0)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")

    for key in ("iterations", "num_points"):
        expect(key, isinstance(content.get(key), int) and number(key) >= 1, "a whole number of at least 1")
    expect("batch_size", isinstance(content.get("batch_size"), int) and number("batch_size") >= 2, "at least 2")
    for key in ("learning_rate", "clip_norm"):
        expect(key, number(key) > 0, "a number above 0 (YAML needs a dot: 3.0e-4)")
    for key in ("weight_decay", "backbone_multiplier", "auxiliary_weight"):
        expect(key, number(key) >= 0, "a number of at least 0 (YAML needs a dot: 3.0e-4)")
    expect("ema_decay", 0 <= number("ema_decay") < 1, "a number from 0 to below 1")
    expect("task", content.get("task") in ("panoptic", "semantic"), "panoptic or semantic")
    expect("schedule", content.get("schedule") in ("step", "cosine"), "step or cosine")
    expect("architecture", "name" in (content.get("architecture") or {}), "a mapping with the model's 'name'")
    expect("crop_size", _pair(content.get("crop_size"), lambda side: side >= 32 and side % 32 == 0), "[height, width], multiples of 32")
    expect("scale_range", _pair(content.get("scale_range"), lambda scale: scale > 0), "[smallest, largest] above 0")
    sources = content.get("sources")
    valid_sources = isinstance(sources, list) and sources and all(isinstance(s, Mapping) and "kind" in s for s in sources)
    expect("sources", bool(valid_sources), "a list of mappings with a 'kind'")
    return problems


def _pair(value: Any, holds: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(v, (int, float)) and holds(v) for v in value)
