"""A measurement in the paper's tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from bisenetformer_ros.evaluation.paper import PaperTable, paper_tables
from bisenetformer_ros.report import page
from bisenetformer_ros.report.page import Html

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


def paper_cards(
    dataset: str, task: str, architecture: Mapping[str, Any], measured: Mapping[str, float]
) -> Iterator[Html]:
    """Every table of the paper about this data set and task, with what was measured as its last row.

    architecture: of the measured network. measured: figures by the names of HEADERS, quality in percent.
    """
    for table in paper_tables(dataset, task):
        yield _card(table, architecture, measured)


def _card(table: PaperTable, architecture: Mapping[str, Any], measured: Mapping[str, float]) -> Html:
    columns = [name for name in HEADERS if any(name in row.figures for row in table.rows)]
    rows = [[row.method, row.backbone, *(_cell(row.figures, name) for name in columns), row.note] for row in table.rows]
    rows.append(
        ["measured here", "", *(_cell(measured, name) for name in columns), "FPS of whole frames, this machine"]
    )
    reference = table.find(architecture)
    totals = 1
    if reference is not None:
        difference = {name: measured[name] - value for name, value in reference.figures.items() if name in measured}
        cells = (f"{difference[name]:+.1f}" if name in difference else "" for name in columns)
        rows.append([f"against {reference.method}", reference.backbone, *cells, ""])
        totals = 2
    header = ("method", "backbone", *(HEADERS[name] for name in columns), "")
    note = f'"The revenge of BiSeNet", table {table.number}: {table.title}. FPS of the paper: the network on one V100.'
    if reference is None:
        note += " The measured network is none of its rows."
    return page.card(f"Beside table {table.number} of the paper", page.table(header, rows, totals), note=note)


def _cell(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name]:.1f}" if name in figures else ""
