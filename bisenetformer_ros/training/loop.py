"""The training loop: batches in, checkpoints and weights out. It can be stopped at any time and resumed."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Subset

from bisenetformer_ros.data.sample import LabeledDataset
from bisenetformer_ros.errors import BiSeNetFormerError, ConfigError
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.training.auxiliary import DenseAuxiliary
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.criterion import Criterion
from bisenetformer_ros.training.optimizer import build_optimizer, learning_rate_factor
from bisenetformer_ros.training.stream import Batch, TrainingStream, collate

CHECKPOINT_EVERY = 200
"""Iterations between checkpoints; a kill costs at most this much work."""


class DivergedError(BiSeNetFormerError):
    """The loss became infinite or not a number."""


class Trainer:
    """One run in one directory: `checkpoint.pt` (the newest state) and `log.jsonl` (one line per iteration).

    After an interruption the iterations since the checkpoint are done and logged again.
    """

    def __init__(
        self,
        config: TrainingConfig,
        model: BiSeNetFormer,
        datasets: Sequence[LabeledDataset],
        directory: Path,
        device: torch.device,
    ) -> None:
        self.config = config
        self.directory = directory
        self.device = device
        self.model = model.to(self.device, memory_format=torch.channels_last).train()
        num_classes = len(datasets[0].labels)
        channels = model.feature_fusion.out.conv.out_channels
        self.auxiliary = DenseAuxiliary(channels, num_classes).to(self.device) if config.auxiliary_weight else None
        self.criterion = Criterion(num_classes, config.num_points).to(self.device)
        parts = {"model": self.model} if self.auxiliary is None else {"model": self.model, "auxiliary": self.auxiliary}
        self.trained = nn.ModuleDict(parts)
        self.optimizer = build_optimizer(
            self.trained, config.learning_rate, config.weight_decay, config.backbone_multiplier
        )
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.average = None
        if config.ema_decay:
            averaging = get_ema_multi_avg_fn(config.ema_decay)
            self.average = AveragedModel(self.model, multi_avg_fn=averaging, use_buffers=True)
        weights = [float(source.get("weight", 1.0)) for source in config.sources]
        self.stream = TrainingStream(config, datasets, weights, config.iterations * config.batch_size)
        self.iteration = 0

    @property
    def checkpoint_path(self) -> Path:
        return self.directory / "checkpoint.pt"

    def run(self, num_workers: int, on_iteration: Callable[[dict[str, float]], None]) -> BiSeNetFormer:
        """Trains to the end from wherever the run stands; returns the weights to ship (averaged if so configured).

        on_iteration receives {"iteration", "loss", its terms, "learning_rate", "data_s", "step_s"}.
        Raises DivergedError, naming the images of the batch, when the loss is not finite.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(
            self.directory / "log.jsonl", "a", buffering=1, encoding="utf-8"
        ) as log:  # by lines: a kill tears none
            waiting_since = time.perf_counter()
            for batch in self._batches(num_workers):
                started = time.perf_counter()
                record = self.step(batch)
                ended = time.perf_counter()
                record |= {"data_s": started - waiting_since, "step_s": ended - started}
                waiting_since = ended
                log.write(json.dumps(record) + "\n")
                if self.iteration % CHECKPOINT_EVERY == 0 or self.iteration == self.config.iterations:
                    self.save()
                on_iteration(record)
        return self.final_model

    @property
    def final_model(self) -> BiSeNetFormer:
        return (self.model if self.average is None else self.average.module).eval()

    def step(self, batch: Batch) -> dict[str, float]:
        """One optimizer step on one batch."""
        torch.manual_seed(self.config.seed + self.iteration)  # the loss samples points
        factor = learning_rate_factor(self.config.schedule, self.iteration, self.config.iterations)
        for group, base_rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base_rate * factor
        losses = self._losses(batch)
        loss = sum(losses.values())
        self.optimizer.zero_grad()
        loss.backward()
        gradient_norm = nn.utils.clip_grad_norm_(self.trained.parameters(), self.config.clip_norm)
        if not torch.isfinite(loss + gradient_norm):
            raise DivergedError(
                f"the loss is {loss.item()} and its gradient {gradient_norm.item()} at iteration {self.iteration}; "
                f"images of the batch: {', '.join(batch.names)}. Lower learning_rate, or look at these images; "
                f"the last good state is {self.checkpoint_path}"
            )
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self.iteration += 1
        terms = {name: round(value.item(), 4) for name, value in losses.items()}
        rate = self.config.learning_rate * factor
        return {"iteration": self.iteration, "loss": round(loss.item(), 4), **terms, "learning_rate": rate}

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        images = batch.images.to(self.device).to(torch.float32, memory_format=torch.channels_last)
        features = self.model.extract(images)
        predictions = self.model.decoder.predict_all(features.levels, features.mask)
        losses = self.criterion(predictions, [target.to(self.device) for target in batch.targets])
        if self.auxiliary is not None:
            dense = self.auxiliary(features, batch.label_maps.to(self.device))
            losses["auxiliary"] = self.config.auxiliary_weight * dense
        return losses

    def _batches(self, num_workers: int) -> Iterator[Batch]:
        rest = range(self.iteration * self.config.batch_size, len(self.stream))
        return iter(
            DataLoader(Subset(self.stream, rest), self.config.batch_size, num_workers=num_workers, collate_fn=collate)
        )

    def save(self) -> None:
        """Writes the state beside the old one, then swaps: a kill at any moment leaves a whole file."""
        state = {
            "config": asdict(self.config),
            "iteration": self.iteration,
            "trained": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }
        unfinished = self.checkpoint_path.with_suffix(".unfinished")
        with open(unfinished, "wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(unfinished, self.checkpoint_path)

    def resume(self) -> bool:
        """Continues from `checkpoint.pt` if there is one; returns whether there was.

        Raises ConfigError when it was written with another recipe.
        """
        if not self.checkpoint_path.is_file():
            return False
        state = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        wanted, had = asdict(self.config), state["config"]
        changed = [f"{key} {had.get(key)!r} (now {value!r})" for key, value in wanted.items() if had.get(key) != value]
        if changed:
            raise ConfigError(
                f"{self.checkpoint_path} belongs to a run with {', '.join(changed)}; continue it with its own recipe, "
                "start over with --restart, or choose another directory"
            )
        self.trained.load_state_dict(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.iteration = state["iteration"]
        return True
