"""One optimizer step."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parallel import DistributedDataParallel

from bisenetformer_ros.errors import BiSeNetFormerError
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer
from bisenetformer_ros.training.auxiliary import DenseAuxiliary
from bisenetformer_ros.training.batch_norm import synchronize_batch_norms
from bisenetformer_ros.training.config import TrainingConfig
from bisenetformer_ros.training.criterion import Criterion, Prediction
from bisenetformer_ros.training.distributed import World, average, gather
from bisenetformer_ros.training.optimizer import AveragedWeights, build_optimizer, learning_rate_factor
from bisenetformer_ros.training.recomputation import recompute_backbone
from bisenetformer_ros.training.stream import Batch
from bisenetformer_ros.training.targets import Targets

AUTOCAST = {"fp32": None, "tf32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_LOSS_SCALE = 1.0
"""fp16: if gradients overflow even below this scale, they are not just too large but not finite."""


class DivergedError(BiSeNetFormerError):
    """The loss or its gradient is not finite."""


class LearningNetwork(nn.Module):
    """All trained modules: the network and, if the recipe enables them, the auxiliary classifiers."""

    def __init__(self, model: BiSeNetFormer, auxiliary: DenseAuxiliary | None) -> None:
        super().__init__()
        self.model = model
        self.auxiliary = auxiliary

    def forward(
        self, images: Tensor, label_maps: Tensor, whole_batch: Tensor
    ) -> tuple[list[Prediction], Tensor | None]:
        """Return the predictions before the first and after each block, and the loss of `DenseAuxiliary`."""
        features = self.model.extract(images)
        predictions = self.model.decoder.predict_all(features.levels, features.mask)
        return predictions, None if self.auxiliary is None else self.auxiliary(features, label_maps, whole_batch)


def split(batch: Batch, parts: int) -> list[Batch]:
    """Cut into batches of the same number of images, in order."""
    size = len(batch.names) // parts
    cuts = [slice(start, start + size) for start in range(0, size * parts, size)]
    targets = [Targets(batch.targets.class_ids[cut], batch.targets.segment_maps[cut]) for cut in cuts]
    return [
        Batch(batch.images[cut], batch.label_maps[cut], of_cut, batch.names[cut], batch.seeds[cut])
        for cut, of_cut in zip(cuts, targets, strict=True)
    ]


def _set_cuda_switches(config: TrainingConfig) -> None:
    """Set those of the process; by default, PyTorch's convolutions use TF32, and matrix products do not."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = config.precision == "tf32"
    torch.backends.cudnn.benchmark = config.cudnn_benchmark


class Learner:
    """A network, trained in place, with its optimizer, loss scaler and averaged weights."""

    def __init__(self, config: TrainingConfig, model: BiSeNetFormer, num_classes: int, world: World) -> None:
        self.config = config
        self.world = world
        model.to(world.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model = model.train()
        self.average = AveragedWeights(self.model, config.ema_decay) if config.ema_decay else None
        if config.checkpoint_backbone:
            recompute_backbone(model.backbone)
        _set_cuda_switches(config)
        channels = model.feature_fusion.out.conv.out_channels
        like = self.model.pixel_mean  # its device and precision
        auxiliary = DenseAuxiliary(channels, num_classes).to(like) if config.auxiliary_weight else None
        self.network = LearningNetwork(self.model, auxiliary)
        self.criterion = Criterion(num_classes, config.num_points).to(like)
        self.optimizer = build_optimizer(
            self.network, config.learning_rate, config.weight_decay, config.backbone_multiplier
        )
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=config.precision == "fp16")
        self._shared: nn.Module = self.network
        if world.size > 1:
            synchronize_batch_norms(self.network, world.device)
            self._shared = DistributedDataParallel(self.network)

    @property
    def final_model(self) -> BiSeNetFormer:
        """The resulting network; the averaged one if the recipe enables it."""
        return self.model if self.average is None else self.average.model

    def step(self, batch: Batch, iteration: int) -> dict[str, float]:
        """Take one optimizer step.

        Args:
            batch: This process's part of the batch.
            iteration: From 0.

        Returns:
            "loss" of the whole batch, its terms, "gradient_norm" and "learning_rate".

        Raises:
            DivergedError: The loss or its gradient is not finite; the message names the images.
        """
        rate = self._set_rates(iteration)
        self.optimizer.zero_grad()
        losses = self._accumulate_gradients(batch)
        self.scaler.unscale_(self.optimizer)
        gradient_norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm).item()
        terms = dict(zip(losses, average(torch.stack([*losses.values()])).tolist(), strict=True))
        loss = sum(terms.values())
        self._require_finite(loss, gradient_norm, batch, iteration)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.model)
        return {"loss": loss, **terms, "gradient_norm": gradient_norm, "learning_rate": rate}

    def _set_rates(self, iteration: int) -> float:
        config = self.config
        factor = learning_rate_factor(config.schedule, iteration, config.iterations, config.warmup, config.milestones)
        for group, base_rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base_rate * factor
        return config.learning_rate * factor

    def _accumulate_gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Add the gradients of the parts of a batch, one after the other; return the terms of its loss."""
        parts = split(batch, self.config.accumulate)
        label_maps = batch.label_maps.to(self.world.device, non_blocking=True)
        totals: dict[str, Tensor] = {}
        for part in parts:
            with self._without_exchange() if part is not parts[-1] else nullcontext():
                losses = self._losses(part, label_maps, batch.targets.counts)
                self.scaler.scale(sum(losses.values(), torch.zeros((), device=self.world.device))).backward()
            totals = {name: totals.get(name, 0.0) + loss.detach() for name, loss in losses.items()}
        return totals

    def _without_exchange(self) -> AbstractContextManager[None]:
        """Keep gradients in this process; the next backward pass outside exchanges their sums."""
        return self._shared.no_sync() if isinstance(self._shared, DistributedDataParallel) else nullcontext()

    def _losses(self, part: Batch, label_maps: Tensor, counts: list[int]) -> dict[str, Tensor]:
        """Compute the share of a part in the loss of the batch, which has these label maps and segments per image."""
        device, dtype = self.world.device, AUTOCAST[self.config.precision]
        images = part.images.to(device, non_blocking=True)
        images = images.to(self.model.pixel_mean.dtype, memory_format=torch.channels_last)
        # On the CPU the fused attention is slower backwards: a bf16 step of the nano takes 7 % longer.
        attention = sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
        with attention, torch.autocast(device.type, dtype, enabled=dtype is not None):
            predictions, dense = self._shared(images, part.label_maps.to(device, non_blocking=True), label_maps)
        losses = self.criterion(predictions, part.targets.to(device), part.seeds, counts)
        if dense is not None:
            losses["auxiliary"] = self.config.auxiliary_weight * dense
        return losses

    def _require_finite(self, loss: float, gradient_norm: float, batch: Batch, iteration: int) -> None:
        """Under fp16 the scaler skips steps with infinite gradients and lowers its scale."""
        overflow = self.scaler.is_enabled() and self.scaler.get_scale() >= LEAST_LOSS_SCALE
        if isfinite(loss) and (isfinite(gradient_norm) or overflow):
            return
        names = [name for names in gather(batch.names) for name in names]
        raise DivergedError(
            f"the loss is {loss} and its gradient {gradient_norm} at iteration {iteration}; images of the batch: "
            f"{', '.join(names)}. Lower learning_rate, or check these images; the last run state is still good"
        )

    def state_dict(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
