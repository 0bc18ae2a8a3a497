"""The tables of the paper, with a measurement beside them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.page import Html
from bisenetformer_ros.resources import config_file

PAPER = "the-revenge-of-bisenet"

HEADERS = {
    "miou": "mIoU",
    "pq": "PQ",
    "pq_things": "PQ things",
    "pq_stuff": "PQ stuff",
    "fps": "FPS",
    "fps_t4": "FPS on a T4",
    "fps_orin": "FPS on Jetson Orin",
    "latency_ms": "latency, ms",
    "flops_g": "multiply-accumulates, G",
    "params_m": "parameters, M",
}
QUALITY = ("miou", "pq", "pq_things", "pq_stuff")


@dataclass(frozen=True)
class PaperRow:
    """A row of a table.

    Attributes:
        figures: Name of HEADERS → figure; those that the paper omits are missing.
        architecture: All keywords of `build_model` but num_classes; None for other authors' networks.
    """

    method: str
    backbone: str
    figures: Mapping[str, float]
    note: str
    architecture: Mapping[str, Any] | None


@dataclass(frozen=True)
class PaperTable:
    """A table; `dataset` is a name of the catalog, `task` is "semantic" or "panoptic"."""

    number: int
    title: str
    dataset: str
    task: str
    rows: tuple[PaperRow, ...]

    def find(self, architecture: Mapping[str, Any]) -> PaperRow | None:
        """Return the row of the network that these keywords of `build_model` build, or None."""
        wanted = {**_content()["defaults"], **architecture}
        wanted.pop("num_classes", None)
        return next((row for row in self.rows if row.architecture == wanted), None)


def paper_tables(dataset: str, task: str) -> tuple[PaperTable, ...]:
    """Return the paper's tables for a data set and a task, in its order."""
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


def paper_cards(
    dataset: str, task: str, architecture: Mapping[str, Any], measured: Mapping[str, float]
) -> Iterator[Html]:
    """Yield each table of the paper for this data set and task, with the measurement added.

    Args:
        dataset: Name of the data set in the catalog.
        task: "semantic" or "panoptic".
        architecture: Keywords of `build_model` of the measured network.
        measured: Name of HEADERS → measured figure; quality in percent.
    """
    for table in paper_tables(dataset, task):
        yield _card(table, architecture, measured)


def _card(table: PaperTable, architecture: Mapping[str, Any], measured: Mapping[str, float]) -> Html:
    columns = [name for name in HEADERS if any(name in row.figures for row in table.rows)]
    rows = [[row.method, row.backbone, *(_cell(row.figures, name) for name in columns)] for row in table.rows]
    rows.append(["measured here", "", *(_cell(measured, name) for name in columns)])
    own = table.find(architecture)
    if own is not None:
        common = [name for name in QUALITY if name in measured and name in own.figures]
        difference = {name: measured[name] - own.figures[name] for name in common}
        cells = (f"{difference[name]:+.1f}" if name in difference else "" for name in columns)
        rows.append([f"against {own.method}", own.backbone, *cells])
    header = ("method", "backbone", *(HEADERS[name] for name in columns))
    return page.card(
        f"Compared with table {table.number} of the paper",
        page.table(header, rows, total_rows=1 if own is None else 2),
        note=_note(table, is_in_it=own is not None),
    )


def _note(table: PaperTable, is_in_it: bool) -> str:
    sentences = [f'"The revenge of BiSeNet", table {table.number}: {table.title}']
    sentences.append(
        "The paper's FPS are of the network alone on one V100; those measured here are of whole frames on this machine"
    )
    sentences += [f"{row.method}: {row.note}" for row in table.rows if row.note]
    if not is_in_it:
        sentences.append("The measured network is not in the table")
    return ". ".join(sentences) + "."


def _cell(figures: Mapping[str, float], name: str) -> str:
    if name not in figures:
        return ""
    return f"{figures[name]:.0f}" if name == "flops_g" else f"{figures[name]:.1f}"
