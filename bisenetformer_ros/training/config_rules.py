"""Valid values of the keys of a recipe."""

from collections.abc import Callable, Mapping
from typing import Any


def _whole(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pair(value: Any, holds: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(holds, value))


def _source(value: Any) -> bool:
    return isinstance(value, Mapping) and "kind" in value and _POSITIVE[0](value.get("weight", 1.0))


_TEXT = (lambda v: isinstance(v, str) and bool(v), "text")
_POSITIVE = (lambda v: _number(v) and v > 0, "a number above 0 (YAML needs a dot: 3.0e-4)")
_NOT_NEGATIVE = (lambda v: _number(v) and v >= 0, "a number of at least 0 (YAML needs a dot: 3.0e-4)")
_SIDE = (lambda v: v is None or _whole(v), "a whole number of at least 1, or null")
_RANGE = (
    lambda v: _pair(v, lambda end: _number(end) and end > 0) and v[0] <= v[1],
    "[smallest, largest], both above 0",
)
RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
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
    "num_points": (_whole, "a whole number of at least 1"),
    "crop_size": (lambda v: _pair(v, lambda side: _whole(side) and side % 32 == 0), "[height, width], multiples of 32"),
    "scale_range": _RANGE,
    "gamma_range": _RANGE,
    "balanced_share": (lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "initial_weights": (
        lambda v: v is None or (isinstance(v, str) and bool(v)),
        "a weights file or model name, or null",
    ),
    "precision": (lambda v: v in ("fp32", "bf16", "fp16"), "fp32, bf16 or fp16"),
    "validation": (lambda v: v is None or _source(v), "a mapping with a 'kind', or null"),
    "validate_every": (_whole, "a whole number of at least 1"),
    "task": (lambda v: v in ("panoptic", "semantic"), "panoptic or semantic"),
    "schedule": (lambda v: v in ("step", "cosine"), "step or cosine"),
    "learning_rate": _POSITIVE,
    "clip_norm": _POSITIVE,
    "weight_decay": _NOT_NEGATIVE,
    "backbone_multiplier": _NOT_NEGATIVE,
    "auxiliary_weight": _NOT_NEGATIVE,
    "ema_decay": (lambda v: _number(v) and 0 <= v < 1, "a number from 0 to below 1"),
}
