"""Observers of a training run: log file, progress display, pictures, TensorBoard and Weights & Biases."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import numpy as np
from rich.columns import Columns
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from bisenetformer_ros.commands import pip_install
from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.images.files import write_image
from bisenetformer_ros.numbers import percent
from bisenetformer_ros.training.config import TrainingConfig

WANDB_ID = "wandb_id"
"""File in the run's folder."""
_NAMES = {"miou": "mIoU", "pq": "PQ", "pq_things": "PQ things", "pq_stuff": "PQ stuff"}
_CLASS_NAMES = {"iou": "IoU", "pq": "PQ"}
_GROUPS = {"learning_rate": "optimizer", "gradient_norm": "optimizer", "data_s": "time", "step_s": "time"}


@dataclass(frozen=True, eq=False)
class ValidationRecord:
    """Results of a validation, as fractions in 0..1; nan for classes that do not occur.

    Attributes:
        figures: "miou" and others of all classes together.
        per_class: "iou" and, for the panoptic task, "pq" → class name → value.
        pictures: Names and (H, W, 3) uint8 RGB images.
    """

    figures: Mapping[str, float]
    per_class: Mapping[str, Mapping[str, float]]
    pictures: Sequence[tuple[str, np.ndarray]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, rounded, with null for nan; without the pictures."""
        return {**_rounded(self.figures), "per_class": {name: _rounded(of) for name, of in self.per_class.items()}}


class TrainingObserver(AbstractContextManager["TrainingObserver"]):
    """Receives every iteration and validation of a run; all hooks do nothing by default."""

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        """Handle a step of the optimizer.

        Args:
            iteration: Number of steps so far.
            record: "loss" and its terms, "gradient_norm" before clipping, "learning_rate", "data_s" (the wait for the
                batch) and "step_s".
        """

    def on_validation(self, iteration: int, record: ValidationRecord) -> None:
        """Handle a validation."""

    def close(self) -> None:
        """Release resources."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LogFile(TrainingObserver):
    """Appends one JSON object per line. Lines are written whole, so that a kill truncates none."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - closed by close()

    def close(self) -> None:
        self._file.close()

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        self._write({"iteration": iteration, **_rounded(record)})

    def on_validation(self, iteration: int, record: ValidationRecord) -> None:
        self._write({"iteration": iteration, "validation": record.to_dict()})

    def _write(self, content: dict[str, Any]) -> None:
        self._file.write(json.dumps(content) + "\n")


def _rounded(values: Mapping[str, float]) -> dict[str, float | None]:
    """Round to six digits; JSON has no infinity and no nan, which become null."""
    return {name: float(f"{value:.6g}") if isfinite(value) else None for name, value in values.items()}


class ProgressDisplay(TrainingObserver):
    """Shows progress bars of the training and the validation in a terminal, and prints each validation."""

    def __init__(self, console: Console, iteration: int, iterations: int) -> None:
        columns = (BarColumn(bar_width=8), MofNCompleteColumn(), TimeRemainingColumn(compact=True))  # for 80 columns
        texts = (TextColumn("{task.description}"), TextColumn("{task.fields[status]}"))
        self._progress = Progress(texts[0], *columns, texts[1], console=console)
        self._training = self._progress.add_task(
            "training", total=iterations, completed=iteration, status="loading images"
        )
        self._validation = self._progress.add_task("validation", visible=False, status="")
        self._progress.start()

    def close(self) -> None:
        self._progress.stop()

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        status = f"loss {record['loss']:.2f}, data {record['data_s']:.2f} s, step {record['step_s']:.2f} s"
        self._progress.update(self._training, completed=iteration, status=status)

    def on_validation_image(self, done: int, total: int) -> None:
        """Advance the validation bar, which is visible until all images are done."""
        self._progress.update(self._validation, completed=done, total=total, visible=done < total)

    def on_validation(self, iteration: int, record: ValidationRecord) -> None:
        console, figures = self._progress.console, record.figures
        text = ", ".join(f"{name} {percent(figures[key])}" for key, name in _NAMES.items() if key in figures)
        console.print(f"  after iteration {iteration}: {text}")
        measures = " / ".join(_CLASS_NAMES[measure] for measure in record.per_class)
        cells = [Text(of_class) for of_class in _by_class(record.per_class)]
        console.print(Padding(f"{measures} of each class:", (0, 0, 0, 2)))
        console.print(Padding(Columns(cells, equal=True, padding=(0, 3)), (0, 0, 0, 4)), soft_wrap=False)
        measure, of_class = [*record.per_class.items()][-1]
        if missed := [name for name, value in of_class.items() if value == 0]:
            console.print(Text(f"  {_CLASS_NAMES[measure]} 0: {', '.join(missed)}", style="yellow"))


def _by_class(per_class: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return "sky 94.1 / 90.2", …"""
    return [f"{name} {' / '.join(percent(of[name]) for of in per_class.values())}" for name in per_class["iou"]]


class PictureFolder(TrainingObserver):
    """Writes the pictures of each validation to iteration_004000/NAME.png."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def on_validation(self, iteration: int, record: ValidationRecord) -> None:
        folder = self.directory / f"iteration_{iteration:06d}"
        for name, rgb in record.pictures:
            path = folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, rgb)


class TensorBoard(TrainingObserver):
    """Writes curves and pictures as TensorBoard event files.

    Args:
        directory: Folder of the event files.
        first_iteration: Where the run resumes; what an interrupted run has written after it is discarded.
    """

    def __init__(self, directory: Path, first_iteration: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(f"--tensorboard requires a package: {pip_install('tensorboard')}") from None
        self._writer = SummaryWriter(str(directory), purge_step=first_iteration + 1)

    def close(self) -> None:
        self._writer.close()

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        for name, value in _training_curves(record).items():
            self._writer.add_scalar(name, value, iteration)

    def on_validation(self, iteration: int, record: ValidationRecord) -> None:
        for name, value in _validation_curves(record).items():
            self._writer.add_scalar(name, value, iteration)
        for name, rgb in record.pictures:
            self._writer.add_image(name, rgb, iteration, dataformats="HWC")
        self._writer.flush()


class WeightsAndBiases(TrainingObserver):
    """Sends curves and pictures to Weights & Biases; the environment variables of wandb say where to.

    A resumed run goes on in the same curves. What an interrupted run has sent after its last save stays.

    Args:
        directory: Folder of the run, for wandb's own files and its id of the run.
        config: The recipe, shown with the run.
    """

    def __init__(self, directory: Path, config: TrainingConfig) -> None:
        try:
            import wandb  # type: ignore[import-not-found]
        except ImportError:
            raise ConfigError(f"--wandb requires a package: {pip_install('wandb')}") from None
        self._to_image = wandb.Image
        id_file = directory / WANDB_ID
        run_id = id_file.read_text(encoding="utf-8") if id_file.is_file() else uuid4().hex
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "bisenetformer"),
                name=config.name,
                dir=str(directory),
                config=asdict(config),
                id=run_id,
                resume="allow",
                settings=wandb.Settings(console="off"),  # the progress bars would be sent line by line
            )
        except wandb.errors.Error as error:
            raise ConfigError(
                f"--wandb: {error}. Log in with `wandb login`, or set WANDB_MODE=offline and send the files later with "
                "`wandb sync`"
            ) from error
        id_file.write_text(run_id, encoding="utf-8")

    def close(self) -> None:
        self._run.finish()

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        self._run.log(_training_curves(record), step=iteration)

    def on_validation(self, iteration: int, record: ValidationRecord) -> None:
        pictures = {f"pictures/{name}": self._to_image(rgb) for name, rgb in record.pictures}
        self._run.log({**_validation_curves(record), **pictures}, step=iteration)


def _training_curves(record: Mapping[str, float]) -> dict[str, float]:
    """Return "loss/dice", "optimizer/learning_rate", …"""
    return {f"{_GROUPS.get(name, 'loss')}/{name}": value for name, value in record.items()}


def _validation_curves(record: ValidationRecord) -> dict[str, float]:
    """Return "validation/miou", "validation_iou/sky", …"""
    per_class = {
        f"validation_{measure}/{name}": value
        for measure, of_classes in record.per_class.items()
        for name, value in of_classes.items()
    }
    return {f"validation/{name}": value for name, value in record.figures.items()} | per_class
