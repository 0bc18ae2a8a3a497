from rich.console import Console

from bisenetformer_ros.cli.progress import progress


def test_a_bar_shows_its_count_and_status() -> None:
    bar = progress()
    bar.add_task("starting", total=None)
    task = bar.add_task("evaluating", total=10, status="ready")
    bar.update(task, advance=3, status="59 ms")
    console = Console(width=100, record=True)
    console.print(bar.get_renderable())
    starting, evaluating = console.export_text().splitlines()
    assert "0/?" in starting
    assert "0:00:00" in starting  # elapsed, as the total is unknown
    assert evaluating.split()[-1] == "ms"
    assert "3/10" in evaluating


def test_progress_goes_to_stderr() -> None:
    assert progress().console.stderr
