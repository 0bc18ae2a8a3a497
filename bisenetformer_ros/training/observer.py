"""Who watches a run: it is told of every iteration and every validation."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

Pictures = Sequence[tuple[str, np.ndarray]]
"""Names and (H, W, 3) uint8 RGB."""


class Observer(Protocol):
    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        """iteration: done so far. record: "loss" and its terms, "gradient_norm" before clipping, "learning_rate",
        "data_s" (the wait for the batch) and "step_s"."""
        ...

    def on_validation(self, iteration: int, figures: Mapping[str, float], pictures: Pictures) -> None:
        """figures: shares of 0..1. pictures: see `Validation.measure`."""
        ...


class LogFile:
    """A JSON object per line, written whole and at once: a kill tears none, and `tail -f` shows the newest."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        self._write({"iteration": iteration, **_rounded(record)})

    def on_validation(self, iteration: int, figures: Mapping[str, float], pictures: Pictures) -> None:
        self._write({"iteration": iteration, "validation": _rounded(figures)})

    def _write(self, content: dict[str, Any]) -> None:
        self._file.write(json.dumps(content) + "\n")


def _rounded(values: Mapping[str, float]) -> dict[str, float | None]:
    """Six digits; null for infinity and what is no number, which JSON does not have."""
    return {name: float(f"{value:.6g}") if isfinite(value) else None for name, value in values.items()}
