"""Curves and pictures of a run for TensorBoard."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from bisenetformer_ros.errors import ConfigError
from bisenetformer_ros.training.observer import Pictures

_GROUPS = {"learning_rate": "optimizer", "gradient_norm": "optimizer", "data_s": "time", "step_s": "time"}


class TensorBoard:
    """Event files in `directory`. first_iteration: what an interrupted run has drawn from there on is drawn anew."""

    def __init__(self, directory: Path, first_iteration: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "--tensorboard needs the package tensorboard: pip install 'bisenetformer_ros[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(str(directory), purge_step=first_iteration + 1)

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def on_iteration(self, iteration: int, record: Mapping[str, float]) -> None:
        for name, value in record.items():
            self._writer.add_scalar(f"{_GROUPS.get(name, 'loss')}/{name}", value, iteration)

    def on_validation(self, iteration: int, figures: Mapping[str, float], pictures: Pictures) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(f"validation/{name}", value, iteration)
        for name, rgb in pictures:
            self._writer.add_image(name, rgb, iteration, dataformats="HWC")
        self._writer.flush()
