"""The figures that the paper reports, to be seen beside one's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from bisenetformer_ros.resources import config_file

PAPER = "the-revenge-of-bisenet"


@dataclass(frozen=True)
class PaperRow:
    """figures: by the names that the file explains; those that the paper leaves out are missing.

    architecture: keywords of `build_model`, all of them but num_classes; None for a network of others.
    """

    method: str
    backbone: str
    figures: Mapping[str, float]
    note: str
    architecture: Mapping[str, Any] | None


@dataclass(frozen=True)
class PaperTable:
    """dataset: the name in the catalog. task: "semantic" or "panoptic"."""

    number: int
    title: str
    dataset: str
    task: str
    rows: tuple[PaperRow, ...]

    def find(self, architecture: Mapping[str, Any]) -> PaperRow | None:
        """The row of a network that was built with these keywords of `build_model`."""
        wanted = {**_content()["defaults"], **architecture}
        wanted.pop("num_classes", None)
        return next((row for row in self.rows if row.architecture == wanted), None)


def paper_tables(dataset: str, task: str) -> tuple[PaperTable, ...]:
    """The tables about a data set and a task, in the order of the paper; () if it has none."""
    return tuple(
        PaperTable(**{**table, "rows": tuple(map(_row, table["rows"]))})
        for table in _content()["tables"]
        if (table["dataset"], table["task"]) == (dataset, task)
    )


def _row(entry: Mapping[str, Any]) -> PaperRow:
    texts = ("method", "backbone", "note", "architecture")
    architecture = entry.get("architecture")
    return PaperRow(
        entry["method"],
        entry.get("backbone", ""),
        {name: float(value) for name, value in entry.items() if name not in texts},
        entry.get("note", ""),
        None if architecture is None else {**_content()["defaults"], **architecture},
    )


@cache
def _content() -> dict[str, Any]:
    return yaml.safe_load(config_file("paper", PAPER, ".yaml").read_text(encoding="utf-8"))
