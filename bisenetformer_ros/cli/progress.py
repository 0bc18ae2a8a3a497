"""The progress bar of every command."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


def progress() -> Progress:
    """Return a progress display on stderr, to be used as a context manager.

    `add_task(description, total=…)` adds a bar. The optional field `status`, set by `add_task` or `update`, is a text
    at its end. A task whose total is unknown shows the elapsed time instead of the remaining time.
    """
    text = TextColumn("{task.description}")
    columns = (text, BarColumn(bar_width=20), MofNCompleteColumn(), _TimeColumn(), _StatusColumn())
    return Progress(*columns, console=Console(stderr=True))


class _TimeColumn(TimeRemainingColumn):
    def render(self, task: Task) -> Text:
        return TimeElapsedColumn().render(task) if task.total is None else super().render(task)


class _StatusColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields.get("status", ""), no_wrap=True, overflow="ellipsis")
