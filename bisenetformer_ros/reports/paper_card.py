"""A measurement in the paper's tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from bisenetformer_ros.reports import page
from bisenetformer_ros.reports.page import Html
from bisenetformer_ros.reports.paper import PaperTable, paper_tables

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
        f"Beside table {table.number} of the paper",
        page.table(header, rows, total_rows=1 if own is None else 2),
        note=_note(table, is_in_it=own is not None),
    )


def _note(table: PaperTable, is_in_it: bool) -> str:
    sentences = [f'"The revenge of BiSeNet", table {table.number}: {table.title}']
    sentences.append(
        "FPS of the paper are of the network on one V100, those measured here of whole frames on this machine"
    )
    sentences += [f"{row.method}: {row.note}" for row in table.rows if row.note]
    if not is_in_it:
        sentences.append("The measured network is not in the table")
    return ". ".join(sentences) + "."


def _cell(figures: Mapping[str, float], name: str) -> str:
    if name not in figures:
        return ""
    return f"{figures[name]:.0f}" if name == "flops_g" else f"{figures[name]:.1f}"
