"""Small networks without neutral statistics, scales or shifts, so that every number matters."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from bisenetformer_ros.model import build_model
from bisenetformer_ros.model.bisenetformer import BiSeNetFormer

SMALL = {"channels": 16, "dim": 32, "num_heads": 4, "feedforward_dim": 48, "num_queries": 9}


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Random normalizations (statistics, scale, shift) and biases, as after a training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.3, generator=generator)
                part.running_var.uniform_(0.5, 2, generator=generator)
            if isinstance(part, (nn.BatchNorm2d, nn.LayerNorm)):
                part.weight.uniform_(0.5, 1.5, generator=generator)
            if getattr(part, "bias", None) is not None:
                part.bias.normal_(0, 0.3, generator=generator)


@pytest.fixture(scope="session")
def random_model() -> Callable[..., BiSeNetFormer]:
    """random_model(name="bisenetformer-nano", **options): a small network in eval mode, the same in every call."""

    def build(name: str = "bisenetformer-nano", **options: Any) -> BiSeNetFormer:
        torch.manual_seed(1)
        model = build_model(name, num_classes=5, **{**SMALL, **options})
        randomize(model)
        return model.eval()

    return build
