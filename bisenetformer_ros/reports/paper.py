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

    @property
    def name(self) -> str:
        """Method and backbone."""
        return " ".join(filter(None, (self.method, self.backbone)))


@dataclass(frozen=True)
class PaperTable:
    """A table; `dataset` is a name of the catalog, `task` is "semantic" or "panoptic".

    Attributes:
        num_things: Of the `num_classes` classes.
        num_images: Of the validation set.
        size: (height, width) of the images for which FPS and multiply-accumulates are given.
        section: Number of the section that describes the table.
        page: Of the article; None if unknown.
    """

    number: int
    title: str
    dataset: str
    task: str
    num_classes: int
    num_things: int
    num_images: int
    size: tuple[int, int]
    section: str
    rows: tuple[PaperRow, ...]
    page: int | None = None

    @property
    def place(self) -> str:
        """Where the table is in the paper, as in "table 3 (page 7)"."""
        return f"table {self.number}" + (f" (page {self.page})" if self.page else f" (section {self.section})")

    def find(self, architecture: Mapping[str, Any]) -> PaperRow | None:
        """Return the row of the network that these keywords of `build_model` build, or None."""
        wanted = {**_content()["defaults"], **architecture}
        wanted.pop("num_classes", None)
        return next((row for row in self.rows if row.architecture == wanted), None)


@dataclass(frozen=True)
class PaperText:
    """Figures that the text of a section gives for the row of BiSeNetFormer with `backbone` in a table."""

    section: str
    table: int
    backbone: str
    figures: Mapping[str, float]


def paper_tables(dataset: str, task: str) -> tuple[PaperTable, ...]:
    """Return the paper's tables for a data set and a task, in its order."""
    return tuple(table for table in all_paper_tables() if (table.dataset, table.task) == (dataset, task))


@cache
def all_paper_tables() -> tuple[PaperTable, ...]:
    """Return tables 1 to 7 in the paper's order; table 5 counts as two, one per data set."""
    return tuple(
        PaperTable(**{**table, "size": tuple(table["size"]), "rows": tuple(map(_row, table["rows"]))})
        for table in _content()["tables"]
    )


def paper_texts() -> tuple[PaperText, ...]:
    """Return the figures in the text that repeat those of tables."""
    names = ("section", "table", "backbone")
    return tuple(
        PaperText(**{name: entry[name] for name in names}, figures={k: entry[k] for k in entry if k not in names})
        for entry in _content()["texts"]
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
    dataset: str, task: str, architecture: Mapping[str, Any], measured: Mapping[str, float], weights_precision: str
) -> Iterator[Html]:
    """Yield each table of the paper for this data set and task, with the measurement added.

    Args:
        dataset: Name of the data set in the catalog.
        task: "semantic" or "panoptic".
        architecture: Keywords of `build_model` of the measured network.
        measured: Name of HEADERS → measured figure; quality in percent.
        weights_precision: Of the weights file, such as "fp16".
    """
    for table in paper_tables(dataset, task):
        yield _card(table, architecture, measured, weights_precision)


def _card(
    table: PaperTable, architecture: Mapping[str, Any], measured: Mapping[str, float], weights_precision: str
) -> Html:
    columns = [name for name in HEADERS if any(name in row.figures for row in table.rows)]
    rows = [[row.method, row.backbone, *(figure_text(row.figures, name) for name in columns)] for row in table.rows]
    rows.append(["measured here", f"{weights_precision} weights", *(figure_text(measured, name) for name in columns)])
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


def figure_text(figures: Mapping[str, float], name: str) -> str:
    """Format a figure as the paper does; nothing for one that is missing."""
    if name not in figures:
        return ""
    return f"{figures[name]:.0f}" if name == "flops_g" else f"{figures[name]:.1f}"
