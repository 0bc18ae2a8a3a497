"""AdamW with the paper's parameter groups, the learning rate schedule, and averaged weights."""

import math
from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer

_POLY_POWER = 0.9
"""Of detectron2's polynomial schedule, with which Mask2Former trains on Cityscapes and ADE20K."""


def build_optimizer(
    model: nn.Module, learning_rate: float, weight_decay: float, backbone_multiplier: float
) -> torch.optim.AdamW:
    """Build AdamW without weight decay for normalizations and embeddings.

    Args:
        model: Module whose parameters are optimized; those with "backbone." in their name belong to the backbone.
        learning_rate: Base rate.
        weight_decay: Of all other parameters.
        backbone_multiplier: Factor of the backbone's rate.
    """
    undecayed_ids = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm, nn.Embedding))
        for parameter in module.parameters(recurse=False)
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = learning_rate * (backbone_multiplier if "backbone." in name else 1.0)
        decay = 0.0 if id(parameter) in undecayed_ids else weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()]
    )


def learning_rate_factor(
    schedule: str, iteration: int, iterations: int, warmup: float, milestones: Sequence[float]
) -> float:
    """Return the multiplier of the base rate: a linear warm-up times the schedule.

    Args:
        schedule: 'step', a tenth from each milestone on; 'cosine', half a wave down to 0; 'poly', (1 - progress)^0.9.
        iteration: From 0.
        iterations: Length of the run.
        warmup: Fraction of the run, 0..1; 0 starts at the full rate.
        milestones: Fractions of the run, 0..1; for 'step'.
    """
    rise = min(1.0, (iteration + 1) / max(1, round(warmup * iterations)))
    progress = iteration / iterations
    if schedule == "step":
        return rise * 0.1 ** sum(progress >= milestone for milestone in milestones)
    if schedule == "poly":
        return rise * (1 - progress) ** _POLY_POWER
    return rise * 0.5 * (1 + math.cos(math.pi * progress))


class AveragedWeights(nn.Module):
    """An exponential moving average of a network's weights (Polyak and Juditsky, 1992).

    new = old + (1 - decay) · (trained - old). In update n the decay is min(decay, (1 + n) / (10 + n)), as in
    TensorFlow's ExponentialMovingAverage, so that the random initial weights are soon forgotten.

    Args:
        model: The network to follow; the average starts as a copy.
        decay: In 0..1.
    """

    model: BiSeNetFormer
    num_updates: Tensor

    def __init__(self, model: BiSeNetFormer, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, model: BiSeNetFormer) -> None:
        """Follow `model`, which was trained by one step."""
        updates = int(self.num_updates)
        decay = min(self.decay, (1 + updates) / (10 + updates))
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        averaged, trained = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        torch._foreach_lerp_(averaged, trained, 1 - decay)  # a few kernels on a GPU in place of one per tensor
        for counter, of_trained in (pair for pair in pairs if not pair[0].is_floating_point()):
            counter.copy_(of_trained)
        self.num_updates += 1
