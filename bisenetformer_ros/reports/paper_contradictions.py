"""Where the paper contradicts itself, computed from its figures."""

from collections.abc import Callable, Iterator
from itertools import groupby, pairwise

from bisenetformer_ros.reports.paper import HEADERS, PaperRow, PaperTable, all_paper_tables, figure_text, paper_texts

_HALF_DIGIT = 0.05
"""Rounding of figures with one decimal; slightly more, since sums of floats are inexact."""
_Place = tuple[PaperTable, PaperRow]


def contradictions() -> tuple[str, ...]:
    """Return one sentence per contradiction, with the tables and sections in which it is found."""
    checks = (_texts, _repeated, _more_classes, _sizes, _latencies, _means)
    return tuple(sentence for check in checks for sentence in check())


def _texts() -> Iterator[str]:
    """Compare figures in the text with the table that it describes."""
    for text in paper_texts():
        table, row = next(
            (table, row) for table, row in _own_rows() if (table.number, row.backbone) == (text.table, text.backbone)
        )
        for name, value in text.figures.items():
            if value != row.figures[name]:
                printed, tabulated = figure_text(text.figures, name), figure_text(row.figures, name)
                where = f"{printed} in the text of section {text.section}, {tabulated} in {table.place}"
                yield f"{_named(table, row)}: {HEADERS[name]} {where}"


def _repeated() -> Iterator[str]:
    """Compare figures of one network for one number of classes and size of images between tables."""
    for places in _groups(lambda table, row: (row.architecture, table.num_classes, table.size)):
        for name in HEADERS:
            found = [(table, row) for table, row in places if name in row.figures]
            if len({row.figures[name] for _, row in found}) > 1:
                where = ", ".join(f"{figure_text(row.figures, name)} in {table.place}" for table, row in found)
                yield f"{_named(*found[0])}: {HEADERS[name]} {where}"


def _more_classes() -> Iterator[str]:
    """A network for more classes has more parameters."""
    for places in _groups(lambda table, row: row.architecture):
        counted = sorted((place for place in places if "params_m" in place[1].figures), key=lambda p: p[0].num_classes)
        for (few, small), (many, large) in pairwise(counted):
            if large.figures["params_m"] < small.figures["params_m"]:
                more = f"fewer with {many.num_classes}, {large.figures['params_m']} M in {many.place}"
                yield (
                    f"{small.name}: {small.figures['params_m']} M parameters with {few.num_classes} classes in "
                    f"{few.place}, {more}"
                )


def _sizes() -> Iterator[str]:
    """A network is not equally fast for images of different sizes."""
    for places in _groups(lambda table, row: (row.architecture, row.figures.get("fps"))):
        if places[0][1].figures.get("fps") and len({table.size for table, _ in places}) > 1:
            _, row = places[0]
            where = ", ".join(f"{_size(table)} in {table.place}" for table, _ in places)
            yield f"{row.name}: the same FPS, {figure_text(row.figures, 'fps')}, for images of {where}"


def _latencies() -> Iterator[str]:
    """One image after the other, the latency is the inverse of the rate."""
    for table, row in _own_rows():
        fps, latency_ms = row.figures.get("fps"), row.figures.get("latency_ms")
        if fps and latency_ms and abs(1000 / fps - latency_ms) > 2 * _HALF_DIGIT:
            yield (
                f"{row.method} in {table.place}: {fps:.1f} FPS and {latency_ms:.1f} ms; "
                f"{fps:.1f} FPS are {1000 / fps:.1f} ms"
            )


def _means() -> Iterator[str]:
    """The PQ is the mean over classes, so it follows from those of things and of stuff."""
    for table in all_paper_tables():
        for row in table.rows:
            if not {"pq", "pq_things", "pq_stuff"} <= row.figures.keys():
                continue
            num_stuff = table.num_classes - table.num_things
            mean = table.num_things * row.figures["pq_things"] + num_stuff * row.figures["pq_stuff"]
            mean /= table.num_classes
            if abs(mean - row.figures["pq"]) > 2 * _HALF_DIGIT + 1e-9:
                yield (
                    f"{row.name} in {table.place}: PQ {row.figures['pq']:.1f}; "
                    f"the mean of its {table.num_things} things ({row.figures['pq_things']:.1f}) and {num_stuff} stuff "
                    f"classes ({row.figures['pq_stuff']:.1f}) is {mean:.1f}"
                )


def _own_rows() -> Iterator[_Place]:
    for table in all_paper_tables():
        yield from ((table, row) for row in table.rows if row.architecture is not None)


def _groups(key: Callable[[PaperTable, PaperRow], object]) -> Iterator[list[_Place]]:
    """Yield the rows of networks of this package that have the same key, in the paper's order."""
    ordered = sorted(_own_rows(), key=lambda place: str(key(*place)))
    for _, group in groupby(ordered, key=lambda place: str(key(*place))):
        yield list(group)


def _named(table: PaperTable, row: PaperRow) -> str:
    return f"BiSeNetFormer {row.backbone}, {table.num_classes} classes, {_size(table)}"


def _size(table: PaperTable) -> str:
    return "{}x{}".format(*table.size)
