"""Checks numbers of users, and formats numbers and lists for messages and JSON."""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bisenetformer_ros.errors import ConfigError


def fraction(value: Any) -> float:
    """Convert a number, or its text, to a float of 0..1. Raises ConfigError for anything else."""
    with suppress(TypeError, ValueError):
        if 0 <= float(value) <= 1:
            return float(value)
    raise ConfigError(f"expected a number of 0..1, got {value}")


def percent(share: float) -> str:
    """Format a fraction of 0 to 1 in percent; nan, as of a class that does not occur, becomes a dash."""
    return "-" if math.isnan(share) else f"{100 * share:.1f}"


def counted(number: int, noun: str) -> str:
    """Return "1 image", "2 images", … for the noun "image"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def first_of(names: Sequence[object], most: int = 5) -> str:
    """List the first few names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {rest} more" if rest > 0 else "")


def without_nan(value: Any) -> Any:
    """Replace nan, which JSON lacks, by None in nested dicts, lists and tuples."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
