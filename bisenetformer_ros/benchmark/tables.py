"""A benchmark as tables on the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from bisenetformer_ros.benchmark.ceilings import Ceilings
from bisenetformer_ros.benchmark.report import STAGES, BenchmarkReport, SizeReport
from bisenetformer_ros.benchmark.statistics import Spread, spread
from bisenetformer_ros.report.numbers import percent

NOTES = (
    "Time: milliseconds from the uint8 frame to the result, median and quartiles. Speed: multiples of the first's, "
    "compared round by round. Ceiling: share of the rate of a matrix product in the same precision that the network "
    "reaches. Labels, segments: in percent, those of PyTorch in fp32. MiB: the most that a process held with nothing "
    "else in it."
)


def show_report(report: BenchmarkReport, console: Console) -> None:
    console.print(f"{report.model}, {report.task} task; weights: {report.weights}")
    for topic, words in report.machine.items():
        console.print(f"{topic}: {words}", highlight=False)
    rates = [f"{rate:.0f} GMAC/s in {precision}" for precision, rate in report.ceilings.matmul_gmacs.items()]
    console.print(f"ceilings: {', '.join(rates)}; memory {report.ceilings.bandwidth_gbs:.0f} GB/s")
    for size in report.sizes:
        height, width = size.frame_size
        console.print(f"\n{height}x{width}, {size.gmacs:.1f} GMAC in the network", style="bold", highlight=False)
        console.print(speed_table(size))
        console.print(detail_table(size, report.ceilings))
        for name, reason in size.left_out.items():
            console.print(f"not run: {name}: {reason}", highlight=False)
    console.print(NOTES, style="dim")


def speed_table(size: SizeReport) -> Table:
    table = _table("time", "quartiles", "speed", "quartiles")
    for entry in size.entries:
        time, speed = spread(entry.totals_ms), size.speedup(entry)
        cells = (f"{time.median:.0f}", _quartiles(time, 0), f"{speed.median:.2f}", _quartiles(speed, 2))
        table.add_row(entry.contestant.name, *cells)
    return table


def detail_table(size: SizeReport, ceilings: Ceilings) -> Table:
    table = _table(*STAGES, "ceiling", "labels", "segments", "MiB")
    for entry in size.entries:
        share, agreement = entry.ceiling_share(size.gmacs, ceilings), entry.agreement
        table.add_row(
            entry.contestant.name,
            *(f"{entry.stage_ms(stage).median:.0f}" for stage in STAGES),
            "-" if share is None else f"{100 * share:.0f} %",
            f"{100 * agreement.labels:.2f}",
            "-" if agreement.segments is None else percent(agreement.segments),
            f"{entry.peak_mib:.0f}",
        )
    return table


def _table(*columns: str) -> Table:
    table = Table("", box=box.SIMPLE, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _quartiles(values: Spread, digits: int) -> str:
    return f"{values.lower:.{digits}f}..{values.upper:.{digits}f}"
