"""The state of a run on disk, which is complete at any moment, even if the process is killed while saving."""

import io
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import torch

from bisenetformer_ros.atomic_write import write_atomically
from bisenetformer_ros.commands import quoted
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError
from bisenetformer_ros.training.config import TrainingConfig

_DEFAULTS = {key.name: key.default for key in fields(TrainingConfig) if key.default is not MISSING}
"""Of the keys that a recipe lacks because they are newer than its run."""


class RunStateError(BiSeNetFormerError):
    """A run state cannot be written or read."""


class RunState:
    """The file with the latest state of one run and its recipe."""

    def __init__(self, path: Path, config: TrainingConfig) -> None:
        self.path = path
        self.config = asdict(config)

    def exists(self) -> bool:
        return self.path.is_file()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._remove_unfinished()

    def _remove_unfinished(self) -> None:
        """Remove what a process that was killed while saving has left."""
        for file in self.path.parent.glob(f"{self.path.name}.*.unfinished"):
            file.unlink(missing_ok=True)

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file; raises RunStateError if the disk is full and keeps the previous state."""
        content = io.BytesIO()
        torch.save({"config": self.config, **state}, content)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, content.getbuffer())
        except OSError as error:
            kept = "the previous state is kept" if self.exists() else "there is no previous state"
            raise RunStateError(
                f"{self.path}: cannot write the run state of {content.getbuffer().nbytes / 1e6:.0f} MB "
                f"({error.strerror}); {kept}. Make room, then continue with the same command"
            ) from error

    def load(self, device: torch.device) -> dict[str, Any]:
        """Read the file.

        Raises:
            RunStateError: The file is corrupt or not a run state.
            ConfigError: It belongs to another recipe.
        """
        self._remove_unfinished()
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
            had = {**_DEFAULTS, **state["config"]}
        except Exception as error:  # corrupt bytes make the unpickler raise any kind of exception
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise RunStateError(
                f"{self.path}: not a run state, or corrupt ({reason}); start over with --restart"
            ) from error
        changed = [f"{k} {had.get(k)!r} (now {value!r})" for k, value in self.config.items() if had.get(k) != value]
        if changed:
            raise ConfigError(
                f"{self.path} belongs to a run with {', '.join(changed)}. The learning rate is scheduled over a whole "
                "run, so continue it with its own recipe. To train further with this one, choose another --out and "
                f"{self._advise_weights(had['name'])}. --restart discards the run"
            )
        return state

    def _advise_weights(self, name: str) -> str:
        """Advise how a new run begins with the weights of this one, once there are any."""
        files = (self.path.with_name(f"{stem}.safetensors") for stem in (name, "best", "latest"))
        written = next((file for file in files if file.is_file()), None)
        if written is None:
            return "start it with the weights that this run ends with"
        return f"add {quoted(('--initial-weights', written))}"
