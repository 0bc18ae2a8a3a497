"""Tables of a benchmark, for the terminal and in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bisenetformer_ros.benchmark.budget import Step
from bisenetformer_ros.benchmark.ceilings import Ceilings
from bisenetformer_ros.benchmark.report import BenchmarkReport, EngineEntry, SizeReport, Spread, spread
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.results import STAGES

NOTES = (
    "time: milliseconds from the uint8 frame to the result, median and quartiles. speed: multiple of the first row's, "
    "compared round by round. pre, infer, post: milliseconds per stage, medians; engines other than PyTorch run "
    "everything in one graph. ceiling: fraction of a matrix product's rate in the same precision that the network "
    "reaches, at least. labels, segments: percent equal to those of PyTorch in fp32. MiB: peak memory of a process of "
    "its own. least ms: computed for a GPU from the bytes and products of the fp16 graph's steps and the ceilings."
)


@dataclass(frozen=True)
class TextTable:
    """A table whose first column is text; the others are numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_rich(self) -> Table:
        table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
        for index, column in enumerate(self.columns):
            table.add_column(column, justify="right" if index else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        return table

    def to_markdown(self) -> str:
        rule = ("---", *["---:"] * (len(self.columns) - 1))
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows))


def show_report(report: BenchmarkReport, console: Console) -> None:
    """Print the tables to a terminal."""
    for line in describe_setting(report):
        console.print(line, highlight=False)
    for size in report.sizes:
        console.print(f"\n{_title(size)}", style="bold", highlight=False)
        for table in _tables(size, report.ceilings):
            console.print(table.to_rich())
        for line in _not_run(size):
            console.print(line, highlight=False)
    console.print(NOTES, style="dim", highlight=False)


def to_markdown(report: BenchmarkReport) -> str:
    """Format the tables as Markdown."""
    lines = [f"- {line}" for line in describe_setting(report)]
    for size in report.sizes:
        lines += ["", f"**{_title(size)}**"]
        for table in _tables(size, report.ceilings):
            lines += ["", table.to_markdown()]
        lines += ["", *(f"- {line}" for line in _not_run(size))]
    return "\n".join([*lines, "", NOTES, ""])


def describe_setting(report: BenchmarkReport) -> Iterator[str]:
    """Describe model and machine, line by line."""
    yield f"{report.model}, {report.params_m:.1f} M parameters, {report.task} task; weights: {report.weights}"
    if report.task_warning:
        yield f"warning: {report.task_warning}"
    yield from (f"{topic}: {words}" for topic, words in report.machine.items())
    rates = [f"{rate:.0f} GMAC/s in {precision}" for precision, rate in report.ceilings.matmul_gmacs.items()]
    yield f"ceilings: {', '.join(rates)}; memory {report.ceilings.bandwidth_gbs:.0f} GB/s"


def speed_table(size: SizeReport) -> TextTable:
    """Tabulate total times and speedups."""
    rows = []
    for entry in size.entries:
        time, speed = spread(entry.totals_ms), size.speedup(entry)
        cells = (f"{time.median:.0f}", _quartiles(time, 0), f"{speed.median:.2f}", _quartiles(speed, 2))
        rows.append((entry.contestant.name, *cells))
    return TextTable(("", "time", "quartiles", "speed", "quartiles"), tuple(rows))


def detail_table(size: SizeReport, ceilings: Ceilings) -> TextTable:
    """Tabulate stages, fractions of the peak rates, agreement and memory."""
    has_segments = any(entry.agreement.segments is not None for entry in size.entries)
    columns = ("", "pre", "infer", "post", "ceiling", "labels", *(["segments"] if has_segments else []), "MiB")

    def cells(entry: EngineEntry) -> tuple[str, ...]:
        share, segments = entry.ceiling_share(size.gmacs, ceilings), entry.agreement.segments
        return (
            entry.contestant.name,
            *(f"{entry.stage_ms(stage).median:.0f}" for stage in STAGES),
            "-" if share is None else f"{100 * share:.0f} %",
            f"{100 * entry.agreement.labels:.2f}",
            *(["-" if segments is None else percent(segments)] if has_segments else []),
            f"{entry.peak_mib:.0f}",
        )

    return TextTable(columns, tuple(map(cells, size.entries)))


def budget_table(steps: Sequence[Step], ceilings: Mapping[str, Ceilings]) -> TextTable:
    """Tabulate the result of `frame_budget`, with the least milliseconds of each step by column of `ceilings`."""
    rows = (
        (
            step.name,
            f"{step.gmacs:.1f}",
            f"{step.megabytes:.0f}",
            *(f"{step.least_ms(of_column):.1f}" for of_column in ceilings.values()),
        )
        for step in steps
    )
    return TextTable(("", "GMAC", "MB", *ceilings), tuple(rows))


def _tables(size: SizeReport, ceilings: Ceilings) -> list[TextTable]:
    budget = [budget_table(size.budget, {"least ms": ceilings})] if size.budget else []
    return [speed_table(size), detail_table(size, ceilings), *budget]


def _title(size: SizeReport) -> str:
    height, width = size.frame_size
    return f"{height}x{width}, {size.gmacs:.1f} GMAC in the network, {size.counts.gmacs:.1f} before folding"


def _not_run(size: SizeReport) -> Iterator[str]:
    """Explain what did not run, one line per reason."""
    for reason in dict.fromkeys(size.left_out.values()):
        names = [name for name, its_reason in size.left_out.items() if its_reason == reason]
        yield f"not run: {'; '.join(names)}: {reason}"


def _quartiles(values: Spread, digits: int) -> str:
    return f"{values.lower:.{digits}f}..{values.upper:.{digits}f}"
