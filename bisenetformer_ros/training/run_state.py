"""The state of a run on disk: always a whole one, whatever happens while it is written."""

import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError
from bisenetformer_ros.training.config import TrainingConfig


class CheckpointError(BiSeNetFormerError):
    """A checkpoint that cannot be written or read."""


class Checkpoint:
    """One file that holds the newest state of one run."""

    def __init__(self, path: Path, config: TrainingConfig) -> None:
        self.path = path
        self.config = asdict(config)

    def exists(self) -> bool:
        return self.path.is_file()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._remove_unfinished()

    def _remove_unfinished(self) -> None:
        """What a process that was killed while writing has left."""
        for file in self.path.parent.glob(f"{self.path.name}.*.unfinished"):
            file.unlink(missing_ok=True)

    def save(self, state: Mapping[str, Any]) -> None:
        """Raises CheckpointError if there is no room; the file then holds the state before."""
        content = io.BytesIO()
        torch.save({"config": self.config, **state}, content)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, content.getbuffer())
        except OSError as error:
            kept = "it still holds the last state that was written" if self.exists() else "there is none yet"
            raise CheckpointError(
                f"{self.path}: the checkpoint of {content.getbuffer().nbytes / 1e6:.0f} MB cannot be written "
                f"({error.strerror}); {kept}. Make room, then continue with the same command"
            ) from error

    def load(self, device: torch.device) -> dict[str, Any]:
        """Raises CheckpointError for a file that is damaged and ConfigError for one of another recipe."""
        self._remove_unfinished()
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
            had = state["config"]
        except Exception as error:  # bytes that are no checkpoint make the unpickler fail in any way there is
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise CheckpointError(
                f"{self.path}: not a checkpoint of a run, or damaged ({reason}); start over with --restart"
            ) from error
        changed = [f"{k} {had.get(k)!r} (now {value!r})" for k, value in self.config.items() if had.get(k) != value]
        if changed:
            raise ConfigError(
                f"{self.path} belongs to a run with {', '.join(changed)}; continue it with its own recipe, start over "
                "with --restart, or choose another directory"
            )
        return state
