"""Weights averaged over the run (Polyak and Juditsky, 1992): often better than the last ones, at no cost later."""

from copy import deepcopy

import torch
from torch import nn


class AveragedWeights(nn.Module):
    """A copy of a network whose every tensor follows the trained one: new = old + (1 - decay) · (trained - old).

    In update n the decay is min(decay, (1 + n) / (10 + n)), as in TensorFlow's ExponentialMovingAverage: the first
    ones forget the random weights that a run begins with.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """model: trained on by one step; same structure."""
        updates = int(self.num_updates)
        decay = min(self.decay, (1 + updates) / (10 + updates))
        for averaged, trained in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if averaged.is_floating_point():
                averaged.lerp_(trained, 1 - decay)
            else:
                averaged.copy_(trained)
        self.num_updates += 1
