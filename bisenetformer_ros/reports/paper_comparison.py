"""The paper's tables beside measurements and counts: as data, JSON, text tables and Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from bisenetformer_ros.reports.paper import HEADERS, QUALITY, PaperRow, PaperTable, all_paper_tables, figure_text
from bisenetformer_ros.reports.paper_contradictions import contradictions
from bisenetformer_ros.reports.paper_results import Measurement, read_results

Count = Callable[[Mapping[str, Any], tuple[int, int]], Mapping[str, float]]
"""Maps an architecture and (height, width) to `params_m`, `flops_g` and `folded_flops_g`."""

POINTS = 1.0
"""Largest unflagged difference of quality, in points: trainings that differ in their seed differ by tenths."""
SHARES = {"params_m": 0.01, "flops_g": 0.03}
"""Largest unflagged relative differences of counts: counters differ in what they count."""
ROUNDING = {"params_m": 0.05, "flops_g": 0.5}
"""Half of the last digit that the paper prints."""
TOLERANCE = (
    f"! marks a difference from the paper above {POINTS:g} point of mIoU or PQ, {100 * SHARES['params_m']:g} % of the "
    f"parameters, or {100 * SHARES['flops_g']:g} % of the multiply-accumulates (at least the paper's rounding). Speed "
    "is not judged: the paper's FPS are of the network alone on a V100, those measured of whole frames on any machine."
)
SHORT_HEADERS = {
    **HEADERS,
    "pq_things": "things",
    "pq_stuff": "stuff",
    "fps_t4": "T4",
    "fps_orin": "Orin",
    "latency_ms": "ms",
    "flops_g": "GMAC",
    "params_m": "M params",
}


def differs(name: str, value: float, expected: float) -> bool:
    """Whether a figure, a name of HEADERS, differs from the expected one beyond the tolerance; False for speed."""
    difference = abs(value - expected)
    if name in QUALITY:
        return difference > POINTS
    return name in SHARES and difference > max(SHARES[name] * expected, ROUNDING[name])


@dataclass(frozen=True)
class ComparedRow:
    """A row of the paper with what was counted and measured.

    Attributes:
        counts: As `Count` returns them; empty for another author's network.
    """

    paper: PaperRow
    counts: Mapping[str, float]
    measurements: tuple[Measurement, ...]

    def to_dict(self) -> dict[str, Any]:
        content: dict[str, Any] = {"method": self.paper.method, "backbone": self.paper.backbone}
        content |= {"paper": dict(self.paper.figures), "note": self.paper.note}
        if self.counts:
            flagged = self.flagged(self.counts)
            content |= {"counted": dict(self.counts) | {"flagged": flagged}, "measured": []}
        for measured in self.measurements:
            content["measured"].append(
                {
                    "file": measured.file,
                    "setting": measured.setting,
                    "weights_precision": measured.weights or None,
                    "num_images": measured.num_images or None,
                    "is_augmented": measured.is_augmented,
                    "warning": measured.warning,
                    "figures": dict(measured.figures),
                    "difference": {
                        name: measured.figures[name] - self.paper.figures[name] for name in self._in(measured)
                    },
                    "flagged": self.flagged(measured.figures),
                }
            )
        return content

    def flagged(self, figures: Mapping[str, float]) -> list[str]:
        """Return the names of the figures that differ from the paper's."""
        return [
            name
            for name, expected in self.paper.figures.items()
            if name in figures and differs(name, figures[name], expected)
        ]

    def _in(self, measured: Measurement) -> list[str]:
        return [name for name in self.paper.figures if name in measured.figures]


@dataclass(frozen=True)
class ComparedTable:
    """A table of the paper with what was counted and measured."""

    table: PaperTable
    rows: tuple[ComparedRow, ...]

    @property
    def title(self) -> str:
        return f"Table {self.table.number}: {self.table.title}"

    @property
    def columns(self) -> list[str]:
        """The names of HEADERS that have a figure."""
        printed = {name for row in self.table.rows for name in row.figures}
        return [name for name in HEADERS if name in printed or name in ("params_m", "flops_g")]

    def header(self) -> tuple[str, ...]:
        return ("", *(SHORT_HEADERS[name] for name in self.columns))

    def text_rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the paper's rows, each followed by counts and measurements, which have the number of their note."""
        number = 0
        for row in self.rows:
            paper = row.paper
            yield (paper.name, *(figure_text(paper.figures, column) for column in self.columns))
            if row.counts:
                yield ("  counted", *self._cells(row, row.counts))
                folded = {"flops_g": row.counts["folded_flops_g"]}
                yield ("  counted, folded", *self._cells(row, folded, judged=False))
            for measured in row.measurements:
                number += 1
                weights = f", {measured.weights} weights" if measured.weights else ""
                yield (f"  measured [{number}]{weights}", *self._cells(row, measured.figures))
                yield ("  difference", *self._differences(row, measured))

    def notes(self) -> Iterator[str]:
        """Yield the sources of the measurements by number, and the paper's remarks."""
        measurements = (measured for row in self.rows for measured in row.measurements)
        for number, measured in enumerate(measurements, start=1):
            yield f"[{number}] {_describe(measured, self.table)}"
        yield from (f"{row.method}: {row.note}" for row in self.table.rows if row.note)

    def to_dict(self) -> dict[str, Any]:
        table = self.table
        content = {name: getattr(table, name) for name in ("number", "title", "dataset", "task", "section", "page")}
        return content | {"size": list(table.size), "rows": [row.to_dict() for row in self.rows]}

    def _cells(self, row: ComparedRow, figures: Mapping[str, float], judged: bool = True) -> Iterator[str]:
        flagged = row.flagged(figures) if judged else []
        for name in self.columns:
            yield (f"{figures[name]:.1f}" if name in figures else "") + (" !" if name in flagged else "")

    def _differences(self, row: ComparedRow, measured: Measurement) -> Iterator[str]:
        for name in self.columns:
            both = name in row.paper.figures and name in measured.figures
            if not both:
                yield ""
            elif name in QUALITY:
                yield f"{measured.figures[name] - row.paper.figures[name]:+.1f}"
            else:
                yield f"x{measured.figures[name] / row.paper.figures[name]:.2f}"


@dataclass(frozen=True)
class PaperComparison:
    """Everything that `bisenetformer paper` shows but pictures.

    Attributes:
        unmatched: File of results → why it has no row in the paper.
        conflicts: Results of one network that differ by more than the tolerance, one sentence per figure.
        contradictions: Of the paper with itself, one sentence each.
    """

    tables: tuple[ComparedTable, ...]
    unmatched: Mapping[str, str]
    conflicts: Sequence[str]
    contradictions: Sequence[str]

    def lists(self) -> dict[str, list[str]]:
        """Return what follows the tables: title → sentences, without empty lists."""
        lists = {
            "Results that contradict each other": list(self.conflicts),
            "Results without a row in the paper": [f"{file}: {why}" for file, why in self.unmatched.items()],
            "Contradictions in the paper": list(self.contradictions),
        }
        return {title: sentences for title, sentences in lists.items() if sentences}

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON types; quality in percent, counts in 10⁶ and 10⁹."""
        return {
            "tolerance": {"quality_points": POINTS, "relative": SHARES, "rounding": ROUNDING},
            "tables": [table.to_dict() for table in self.tables],
            "conflicts": list(self.conflicts),
            "unmatched": dict(self.unmatched),
            "contradictions": list(self.contradictions),
        }

    def to_markdown(self) -> str:
        lines = ["# The revenge of BiSeNet: paper, counts and measurements", "", TOLERANCE]
        for compared in self.tables:
            lines += ["", f"## {compared.title}", "", _markdown_row(compared.header())]
            lines.append(_markdown_row(("---", *["---:"] * len(compared.columns))))
            lines += [_markdown_row([cells[0].replace("  ", "&emsp;"), *cells[1:]]) for cells in compared.text_rows()]
            lines += ["", *(f"- {note}" for note in compared.notes())]
        for title, sentences in self.lists().items():
            lines += ["", f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]
        return "\n".join([*lines, ""])


def compare(results: Path | None, count: Count, on_count: Callable[[], None] = lambda: None) -> PaperComparison:
    """Hold measurements and counts against the paper.

    Args:
        results: Folder of JSON files; None for none.
        count: Counts a network.
        on_count: Called after each of the `num_counts()` networks.

    Raises:
        ConfigError: There is no such folder.
    """
    measurements, unmatched = ((), {}) if results is None else read_results(results)
    counts: dict[str, Mapping[str, float]] = {}
    for key, (architecture, size) in _networks().items():
        counts[key] = count(architecture, size)
        on_count()
    tables = tuple(
        ComparedTable(table, tuple(_compare_row(table, row, counts, measurements) for row in table.rows))
        for table in all_paper_tables()
    )
    return PaperComparison(tables, unmatched, tuple(_conflicts(measurements)), contradictions())


def num_counts() -> int:
    """Return the number of different networks, with number of classes and image size, in the paper."""
    return len(_networks())


def _networks() -> dict[str, tuple[dict[str, Any], tuple[int, int]]]:
    return {
        _key(table, row): ({**row.architecture, "num_classes": table.num_classes}, table.size)
        for table in all_paper_tables()
        for row in table.rows
        if row.architecture is not None
    }


def _key(table: PaperTable, row: PaperRow) -> str:
    return f"{row.architecture} {table.num_classes} {table.size}"


def _compare_row(
    table: PaperTable,
    row: PaperRow,
    counts: Mapping[str, Mapping[str, float]],
    measurements: Sequence[Measurement],
) -> ComparedRow:
    if row.architecture is None:
        return ComparedRow(row, {}, ())
    own = tuple(m for m in measurements if table in m.tables() and table.find(m.architecture) is row)
    return ComparedRow(row, counts[_key(table, row)], own)


_SAME_NETWORK = ("architecture", "dataset", "task", "is_augmented")


def _conflicts(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Compare the quality that two files state for one network, data set and task."""
    for first, second in combinations(measurements, 2):
        if any(getattr(first, name) != getattr(second, name) for name in _SAME_NETWORK):
            continue
        for name in QUALITY:
            both = name in first.figures and name in second.figures
            if both and differs(name, first.figures[name], second.figures[name]):
                yield (
                    f"{first.file} and {second.file}: {HEADERS[name]} {first.figures[name]:.1f} and "
                    f"{second.figures[name]:.1f} of {first.architecture['name']} on {first.dataset}"
                )


def _describe(measured: Measurement, table: PaperTable) -> str:
    parts = [f"{measured.file}: {measured.setting}"]
    if measured.weights:
        parts.append(f"{measured.weights} weights")
    if measured.is_augmented:
        parts.append("test-time augmentation")
    if measured.num_images:
        parts.append(f"{measured.num_images} images")
        if measured.num_images != table.num_images:
            parts.append(f"the data set has {table.num_images} !")
    return ", ".join(parts) + (f". {measured.warning}" if measured.warning else "")


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
