"""AdamW with the paper's parameter groups, and the learning rate over the run."""

import math

import torch
from torch import nn

STEP_MILESTONES = (0.889, 0.963)
"""Shares of the run after which 'step' multiplies the rate by 0.1; the paper names no milestones, these are those of
Mask2Former's Cityscapes and COCO recipes."""
WARMUP_SHARE = 0.02


def build_optimizer(
    model: nn.Module, learning_rate: float, weight_decay: float, backbone_multiplier: float
) -> torch.optim.AdamW:
    """No decay for norms, biases of norms and embeddings; the backbone's rate is multiplied by its factor."""
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
    """Multiplier of the base rate: a linear warm-up, then constant with two drops ('step') or a half cosine to 0."""
    warmup = max(1, round(WARMUP_SHARE * iterations))
    rise = min(1.0, (iteration + 1) / warmup)
    progress = iteration / iterations
    if schedule == "step":
        return rise * 0.1 ** sum(progress >= milestone for milestone in STEP_MILESTONES)
    return rise * 0.5 * (1 + math.cos(math.pi * progress))
