"""A run in the terminal: how far, how long still, and where the time goes."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bisenetformer_ros.numbers import percent
from bisenetformer_ros.training.observer import Pictures

_NAMES = {"miou": "mIoU", "pq": "PQ", "pq_things": "PQ things", "pq_stuff": "PQ stuff"}


class ProgressBar:
    """A line for the training and, while one goes on, a line for the validation."""

    def __init__(self, console: Console, iteration: int, iterations: int) -> None:
        columns = (BarColumn(bar_width=8), MofNCompleteColumn(), TimeRemainingColumn(compact=True))
        texts = (TextColumn("{task.description}"), TextColumn("{task.fields[status]}"))
        self._progress = Progress(texts[0], *columns, texts[1], console=console)
        self._training = self._progress.add_task(
            "training", total=iterations, completed=iteration, status="loading images"
        )
        self._validation = self._progress.add_task("validation", visible=False, status="")

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        status = f"loss {record['loss']:.2f}, data {record['data_s']:.2f} s, step {record['step_s']:.2f} s"
        self._progress.update(self._training, completed=iteration, status=status)

    def on_validation_image(self, done: int, total: int) -> None:
        self._progress.update(self._validation, completed=done, total=total, visible=done < total)

    def on_validation(self, iteration: int, figures: Mapping[str, float], pictures: Pictures) -> None:
        text = ", ".join(f"{name} {percent(figures[key])}" for key, name in _NAMES.items() if key in figures)
        self._progress.console.print(f"  after iteration {iteration}: {text}")
