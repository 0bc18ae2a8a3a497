"""AdamW with the paper's parameter groups, the learning rate schedule, and averaged weights."""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn

from bisenetformer_ros.model.bisenetformer import BiSeNetFormer

STEP_MILESTONES = (0.889, 0.963)
"""Fractions of the run after which 'step' multiplies the rate by 0.1. The paper gives none; these are those of
Mask2Former's Cityscapes and COCO recipes."""
WARMUP_SHARE = 0.02


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


def learning_rate_factor(schedule: str, iteration: int, iterations: int) -> float:
    """Return the multiplier of the base rate: a linear warm-up, then the schedule.

    Args:
        schedule: 'step', constant with two drops, or 'cosine', half a wave down to 0.
        iteration: From 0.
        iterations: Length of the run.
    """
    warmup = max(1, round(WARMUP_SHARE * iterations))
    rise = min(1.0, (iteration + 1) / warmup)
    progress = iteration / iterations
    if schedule == "step":
        return rise * 0.1 ** sum(progress >= milestone for milestone in STEP_MILESTONES)
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
        for averaged, trained in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if averaged.is_floating_point():
                averaged.lerp_(trained, 1 - decay)
            else:
                averaged.copy_(trained)
        self.num_updates += 1
