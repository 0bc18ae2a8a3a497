"""Numbers for people and for JSON."""

import math
from typing import Any


def percent(share: float) -> str:
    """A share of 0..1 in percent; a dash for nan, as of a class that did not occur."""
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def without_nan(value: Any) -> Any:
    """The same with None for nan, which JSON does not have. value: dicts, lists and tuples of any depth."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
